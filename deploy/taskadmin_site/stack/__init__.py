"""Settings, secrets, users and privileges of the services in docker-compose.yml.

The service ``settings`` runs ``python -m stack.services`` before the site's image is built, so
these modules, except ``roles``, import only the standard library.
"""
