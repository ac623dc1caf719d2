# One role for each ServiceAccount: the cluster's token for it opens the bucket, and no key exists.
data "aws_eks_cluster" "this" {
  name = var.cluster
}

data "aws_iam_openid_connect_provider" "cluster" {
  url = data.aws_eks_cluster.this.identity[0].oidc[0].issuer
}

locals {
  issuer  = trimprefix(data.aws_eks_cluster.this.identity[0].oidc[0].issuer, "https://")
  bucket  = aws_s3_bucket.tessera.arn
  objects = "${local.bucket}/*"
  # All that workers write of a run; results and pods' logs are the control worker's. shards/ is gone once results are there.
  pictures    = [for name in ["overlays", "show", "predictions", "shards", "tensorboard"] : "${local.bucket}/${var.output_prefix}/*/${name}/*"]
  log         = "${local.bucket}/${var.output_prefix}/*/train.log.json"
  checkpoints = "${local.bucket}/${var.output_prefix}/*/checkpoints/*"
  read        = ["s3:GetObject", "s3:GetObjectVersion"]
  write       = ["s3:PutObject", "s3:DeleteObject", "s3:AbortMultipartUpload"]
  rights = {
    # ListBucket also lets S3 say of an object that it is missing, rather than forbidden.
    tessera-control = [
      { Effect = "Allow", Action = ["s3:ListBucket"], Resource = [local.bucket] },
      { Effect = "Allow", Action = concat(local.read, local.write), Resource = [local.objects] },
    ]
    tessera-worker = [
      { Effect = "Allow", Action = ["s3:ListBucket"], Resource = [local.bucket] },
      { Effect = "Allow", Action = local.read, Resource = [local.objects] },
      { Effect = "Allow", Action = ["s3:PutObject"], Resource = concat(local.pictures, [local.log]) },
      # A trainer removes those that newer and better ones have made superfluous.
      { Effect = "Allow", Action = local.write, Resource = [local.checkpoints] },
    ]
  }
}

resource "aws_iam_role" "tessera" {
  for_each = local.rights
  name     = "${var.cluster}-${each.key}"
  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Action    = "sts:AssumeRoleWithWebIdentity"
      Principal = { Federated = data.aws_iam_openid_connect_provider.cluster.arn }
      Condition = {
        StringEquals = {
          "${local.issuer}:sub" = "system:serviceaccount:tessera:${each.key}"
          "${local.issuer}:aud" = "sts.amazonaws.com"
        }
      }
    }]
  })
}

resource "aws_iam_role_policy" "tessera" {
  for_each = local.rights
  name     = "bucket"
  role     = aws_iam_role.tessera[each.key].id
  policy   = jsonencode({ Version = "2012-10-17", Statement = each.value })
}
