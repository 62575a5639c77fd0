"""The Celery application of the shop, for ``celery -A make_celery``."""

# docs: begin
from shop import create_app

celery = create_app().extensions["taskadmin"].celery
# docs: end
