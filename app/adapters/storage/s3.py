"""Objects in a bucket of AWS S3, or of any server that speaks its protocol."""

import threading
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing, contextmanager, suppress
from typing import TYPE_CHECKING, ParamSpec, TypeVar, cast

from boto3.session import Session
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from botocore.response import StreamingBody
from typing_extensions import override
from urllib3.exceptions import HTTPError

from app.adapters.storage.streams import Tally, check_key, in_thread, pieces
from app.ports.files import ListedObject, ListedStorage
from app.ports.storage import (
    ByteRange,
    ObjectMissing,
    StorageUnavailable,
    StoredObject,
)
from app.shared.errors import RangeNotSatisfiable

if TYPE_CHECKING:  # the stubs are no part of an installation
    from mypy_boto3_s3.client import S3Client
    from mypy_boto3_s3.literals import BucketLocationConstraintType
    from mypy_boto3_s3.type_defs import (
        CompletedPartTypeDef,
        CreateBucketRequestTypeDef,
        GetObjectRequestTypeDef,
        ListObjectsV2RequestTypeDef,
    )

PART_SIZE = 8 << 20
_READ_SIZE = 256 << 10
_THREADS = 16
_UNNAMED_REGION = "us-east-1"  # S3 refuses it as the place of a bucket

P = ParamSpec("P")
T = TypeVar("T")


class S3Storage(ListedStorage):
    """One bucket; made on first use if it is missing and the credentials allow it.

    Without an endpoint: AWS. Without keys: whatever AWS's own chain finds (environment,
    profile, role). To tell a missing object from a forbidden one, S3 wants the right to
    list the bucket.
    """

    def __init__(
        self,
        bucket: str,
        *,
        endpoint: str | None = None,
        access_key: str | None = None,
        secret_key: str | None = None,
        region: str | None = None,
    ) -> None:
        self._bucket = bucket
        self._endpoint = endpoint
        self._access_key = access_key
        self._secret_key = secret_key
        self._region = region
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="s3")
        self._lock = threading.Lock()
        self._client: S3Client | None = None
        self._bucket_found = False

    @override
    async def write(self, key: str, stream: AsyncIterator[bytes]) -> StoredObject:
        check_key(key)
        upload = _Upload(await self._call(self._connected), self._bucket, key)
        try:
            async with aclosing(pieces(stream, PART_SIZE)) as parts:
                async for part in parts:
                    await self._call(upload.add, part)
            return await self._call(upload.finish)
        except BaseException:
            with suppress(StorageUnavailable):
                await self._call(upload.abort)
            raise

    @override
    async def read(self, key: str, part: ByteRange | None = None) -> AsyncIterator[bytes]:
        check_key(key)
        return self._chunks(await self._call(self._open, key, part))

    @override
    async def listing(self) -> AsyncIterator[ListedObject]:
        token = None
        while True:
            page, token = await self._call(self._listed, token)
            for each in page:
                yield each
            if token is None:
                return

    @override
    async def delete(self, key: str) -> None:
        check_key(key)
        client = await self._call(self._connected)
        await self._call(client.delete_object, Bucket=self._bucket, Key=key)

    @override
    async def exists(self, key: str) -> bool:
        check_key(key)
        return await self._call(self._has, key)

    async def close(self) -> None:
        """Wait for the running requests and drop the connections; the end of this store."""
        await in_thread(None, self._threads.shutdown)
        if self._client is not None:
            self._client.close()

    def _open(self, key: str, part: ByteRange | None) -> StreamingBody:
        request: GetObjectRequestTypeDef = {"Bucket": self._bucket, "Key": key}
        if part is not None:
            request["Range"] = f"bytes={part.start}-{part.end}"
        try:
            answer = self._connected().get_object(**request)
        except ClientError as error:
            if _code(error) == "NoSuchKey":
                raise ObjectMissing from error
            if _code(error) == "InvalidRange":
                raise RangeNotSatisfiable from error
            raise
        return answer["Body"]

    async def _chunks(self, body: StreamingBody) -> AsyncIterator[bytes]:
        try:
            while data := await self._call(body.read, _READ_SIZE):
                yield data
        finally:
            body.close()

    def _listed(self, token: str | None) -> tuple[list[ListedObject], str | None]:
        request: ListObjectsV2RequestTypeDef = {"Bucket": self._bucket}
        if token is not None:
            request["ContinuationToken"] = token
        answer = self._connected().list_objects_v2(**request)
        found = [
            ListedObject(each["Key"], each["Size"], each["LastModified"])
            for each in answer.get("Contents", ())
        ]
        return found, answer.get("NextContinuationToken")

    def _has(self, key: str) -> bool:
        try:
            self._connected().head_object(Bucket=self._bucket, Key=key)
        except ClientError as error:
            if _code(error) == "404":
                return False
            raise
        return True

    def _connected(self) -> "S3Client":
        with self._lock:
            client = self._client = self._client or self._connect()
        if not self._bucket_found:
            _find_bucket(client, self._bucket)
            self._bucket_found = True
        return client

    def _connect(self) -> "S3Client":
        return Session().client(
            "s3",
            endpoint_url=self._endpoint,
            aws_access_key_id=self._access_key,
            aws_secret_access_key=self._secret_key,
            region_name=self._region,
            config=_config(path_style=self._endpoint is not None),
        )

    async def _call(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        with _translated():
            return await in_thread(self._threads, function, *args, **kwargs)


class _Upload:
    """An object on its way in: one request while it is small, else parts."""

    def __init__(self, client: "S3Client", bucket: str, key: str) -> None:
        self._client = client
        self._bucket = bucket
        self._key = key
        self._id: str | None = None
        self._parts: list[CompletedPartTypeDef] = []
        self._small = b""
        self._tally = Tally()

    def add(self, part: bytes) -> None:
        """Take the next part; each but the last has PART_SIZE bytes."""
        self._tally.add(part)
        if self._id is None and len(part) < PART_SIZE:
            self._small = part
        else:
            self._send(part)

    def finish(self) -> StoredObject:
        etag = self._publish()
        total = self._tally.total
        kept = self._client.head_object(Bucket=self._bucket, Key=self._key)
        # Another tag is the object of somebody who wrote the same key after us.
        if kept["ETag"] == etag and kept["ContentLength"] != total.size:
            raise StorageUnavailable("The file storage did not keep the whole file.")
        return total

    def abort(self) -> None:
        if self._id is not None:
            self._client.abort_multipart_upload(
                Bucket=self._bucket, Key=self._key, UploadId=self._id
            )

    def _send(self, part: bytes) -> None:
        if self._id is None:
            opened = self._client.create_multipart_upload(Bucket=self._bucket, Key=self._key)
            self._id = opened["UploadId"]
        number = len(self._parts) + 1
        answer = self._client.upload_part(
            Bucket=self._bucket, Key=self._key, UploadId=self._id, PartNumber=number, Body=part
        )
        self._parts.append({"PartNumber": number, "ETag": answer["ETag"]})

    def _publish(self) -> str:
        if self._id is None:
            put = self._client.put_object(Bucket=self._bucket, Key=self._key, Body=self._small)
            return put["ETag"]
        completed = self._client.complete_multipart_upload(
            Bucket=self._bucket,
            Key=self._key,
            UploadId=self._id,
            MultipartUpload={"Parts": self._parts},
        )
        return completed["ETag"]


def _config(*, path_style: bool) -> Config:
    return Config(
        signature_version="s3v4",
        retries={"mode": "standard", "total_max_attempts": 3},
        connect_timeout=5,
        read_timeout=30,
        max_pool_connections=_THREADS,
        # The signed SHA-256 of each body guards it on every server; the SDK's own newer
        # checksums are refused by some.
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
        s3={
            "payload_signing_enabled": True,
            "addressing_style": "path" if path_style else "auto",
        },
    )


def _find_bucket(client: "S3Client", bucket: str) -> None:
    try:
        client.head_bucket(Bucket=bucket)
    except ClientError as error:
        # 403: who may not look at a bucket may still be allowed to use it.
        if _code(error) == "404":
            _make_bucket(client, bucket)
        elif _code(error) != "403":
            raise


def _make_bucket(client: "S3Client", bucket: str) -> None:
    request: CreateBucketRequestTypeDef = {"Bucket": bucket}
    region = client.meta.region_name
    if region != _UNNAMED_REGION:
        place = cast("BucketLocationConstraintType", region)
        request["CreateBucketConfiguration"] = {"LocationConstraint": place}
    # Another process may be faster.
    with suppress(client.exceptions.BucketAlreadyOwnedByYou, client.exceptions.BucketAlreadyExists):
        client.create_bucket(**request)


def _code(error: ClientError) -> str:
    return error.response.get("Error", {}).get("Code", "")


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except ClientError as error:
        detail = f"The file storage refuses: {_code(error)}."
        raise StorageUnavailable(detail) from error
    except (BotoCoreError, HTTPError, OSError) as error:
        raise StorageUnavailable from error
