"""The OData options of a request, and the page that answers it."""
