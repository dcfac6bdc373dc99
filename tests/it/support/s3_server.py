# An S3 server for tests: moto, with signatures and policies checked. Prints its port and two pairs of keys as JSON, of a
# user who may do everything and of one who may only read.
import json
import os
import threading
from urllib.parse import parse_qsl, quote, urlencode

os.environ["INITIAL_NO_AUTH_ACTION_COUNT"] = "0"

import moto.iam.access_control
from moto.iam.models import iam_backends
from moto.s3.models import s3_backends
from moto.server import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import WSGIRequestHandler, make_server

ACCOUNT = "123456789012"
REGION = "us-east-1"
iam = iam_backends[ACCOUNT]["aws"]


def user(name, actions):
    policy = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": actions, "Resource": "*"}]}
    iam.create_user(REGION, name)
    iam.put_user_policy(name, "policy", json.dumps(policy))
    key = iam.create_access_key(name)
    return [key.access_key_id, key.secret_access_key]


class Normalized(moto.iam.access_control.S3IAMRequest):
    """Encodes the query anew before it compares signatures, as S3 does: a client may send a slash as it is."""

    def __init__(self, **request):
        path, mark, query = request["path"].partition("?")
        query = urlencode(parse_qsl(query, keep_blank_values=True), quote_via=quote, safe="-_.~")
        super().__init__(**{**request, "path": path + mark + query})


class Quiet(WSGIRequestHandler):
    def log_request(self, *_):
        pass


class OneAtATime:
    """moto compares the condition of a put and stores the object in two steps, which must not be interleaved."""

    def __init__(self, application):
        self.application, self.lock = application, threading.Lock()

    def __call__(self, environment, start_response):
        with self.lock:
            return self.application(environment, start_response)


moto.iam.access_control.S3IAMRequest = Normalized
writer, reader = user("writer", ["s3:*"]), user("reader", ["s3:GetObject", "s3:ListBucket"])
s3_backends[ACCOUNT]["aws"].create_bucket("models", REGION)
application = OneAtATime(DomainDispatcherApplication(create_backend_app))
server = make_server("127.0.0.1", 0, application, threaded=True, request_handler=Quiet)
print(json.dumps({"port": server.server_port, "writer": writer, "reader": reader}), flush=True)
server.serve_forever()
