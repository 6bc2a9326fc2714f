# Read by `flask` (and so by script/lab). Port 5000, Flask's own, is the registry's.
FLASK_APP=app:create_app
FLASK_RUN_PORT=8000
