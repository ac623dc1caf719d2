"""Downloads an S3 object with boto3's transfer manager: boto3-download.py BUCKET KEY FILE THREADS. Prints seconds."""

import os
import sys
import time

import boto3
from boto3.s3.transfer import TransferConfig

bucket, key, file, threads = sys.argv[1:]
client = boto3.client("s3", endpoint_url=os.environ.get("AWS_ENDPOINT_URL_S3"))
client.head_object(Bucket=bucket, Key=key)
start = time.perf_counter()
client.download_file(bucket, key, file, Config=TransferConfig(max_concurrency=int(threads)))
print(time.perf_counter() - start)
