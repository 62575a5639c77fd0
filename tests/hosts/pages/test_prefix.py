"""A host below a prefix, by a proxy or by ``DispatcherMiddleware``."""

import pytest
from flask import Flask
from flask_sqlalchemy import SQLAlchemy
from werkzeug.exceptions import NotFound
from werkzeug.middleware.dispatcher import DispatcherMiddleware
from werkzeug.middleware.proxy_fix import ProxyFix

from taskadmin import TaskAdmin


@pytest.fixture
def app(database_url):
    app = Flask("shop")
    app.config.update(SECRET_KEY="only for tests", SQLALCHEMY_DATABASE_URI=database_url)
    db = SQLAlchemy(app)
    TaskAdmin().init_app(app, db=db)
    return app


def behind_a_proxy(app):
    # docs: begin
    app.wsgi_app = ProxyFix(app.wsgi_app, x_for=1, x_proto=1, x_host=1, x_prefix=1)
    # docs: end

    def proxy(environ, start_response):
        """Do what nginx does: ``proxy_pass http://shop/`` in ``location /shop/``."""
        path = environ["PATH_INFO"].removeprefix("/shop")
        return app(
            {**environ, "PATH_INFO": path, "HTTP_X_FORWARDED_PREFIX": "/shop"}, start_response
        )

    return proxy


def dispatched(app):
    return DispatcherMiddleware(NotFound(), {"/shop": app})


@pytest.mark.parametrize("mount", [behind_a_proxy, dispatched])
def test_links_and_redirects_stay_below_the_prefix(app, taskadmin_tables, make_browser, mount):
    """From the first page over log in, a task and preferences to log out."""
    browser = make_browser(wsgi=mount(app), root="/shop")
    page = browser.open("/taskadmin/tasks/")
    assert page.request.path.endswith("/taskadmin/login"), page.request.path
    browser.log_in()
    browser.create_and_delete_a_task()
    assert browser.submit("/taskadmin/preferences", language="de", zone="UTC").status_code == 302
    assert browser.submit("/taskadmin/logout", form="/taskadmin/profile").status_code == 302
    assert browser.open("/taskadmin/").request.path.endswith("/taskadmin/login")
