"""The settings of a project: files, environment, types and precedence."""
