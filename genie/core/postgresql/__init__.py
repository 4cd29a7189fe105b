"""The database backend of this project (``ENGINE`` of ``DATABASES``)."""
