resource "aws_s3_bucket" "tessera" {
  bucket = var.bucket
}

# Runs are planned with the version of an object, and read that one even if it is overwritten meanwhile.
resource "aws_s3_bucket_versioning" "tessera" {
  bucket = aws_s3_bucket.tessera.id
  versioning_configuration {
    status = "Enabled"
  }
}

resource "aws_s3_bucket_server_side_encryption_configuration" "tessera" {
  bucket = aws_s3_bucket.tessera.id
  rule {
    apply_server_side_encryption_by_default {
      sse_algorithm = "AES256"
    }
  }
}

resource "aws_s3_bucket_public_access_block" "tessera" {
  bucket                  = aws_s3_bucket.tessera.id
  block_public_acls       = true
  block_public_policy     = true
  ignore_public_acls      = true
  restrict_public_buckets = true
}

resource "aws_s3_bucket_lifecycle_configuration" "tessera" {
  # S3 wants versioning to be on before rules about versions.
  depends_on = [aws_s3_bucket_versioning.tessera]
  bucket     = aws_s3_bucket.tessera.id
  rule {
    id     = "leftovers"
    status = "Enabled"
    filter {}
    # Of uploads that were cut off; they cost, and no listing shows them.
    abort_incomplete_multipart_upload {
      days_after_initiation = 2
    }
    noncurrent_version_expiration {
      noncurrent_days = 30
    }
  }
  rule {
    id     = "superfluous-checkpoints"
    status = "Enabled"
    # Head tuning writes 80 checkpoints of 5.8 GB and removes most of them: not to be paid for a month longer.
    filter {
      and {
        prefix                   = "${var.output_prefix}/"
        object_size_greater_than = 100000000
      }
    }
    noncurrent_version_expiration {
      noncurrent_days = 2
    }
  }
}
