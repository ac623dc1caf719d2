# GPU nodes that exist only while runs want them. Spot and on-demand are two groups: the autoscaler takes one or the other.
locals {
  gpu_taint  = { key = "nvidia.com/gpu", value = "true" }
  spot_taint = { key = "tessera.dev/spot", value = "true" } # k8s/components/spot tolerates it.
  groups = {
    spot      = { capacity_type = "SPOT", taints = [local.gpu_taint, local.spot_taint] }
    on-demand = { capacity_type = "ON_DEMAND", taints = [local.gpu_taint] }
  }
  # The label that k8s/components/nvidia selects, set here since discovery sets it only on nodes that exist.
  labels = { "nvidia.com/gpu.present" = "true" }
}

resource "aws_iam_role" "node" {
  name = "${var.cluster}-tessera-node"
  assume_role_policy = jsonencode({
    Version   = "2012-10-17"
    Statement = [{ Effect = "Allow", Action = "sts:AssumeRole", Principal = { Service = "ec2.amazonaws.com" } }]
  })
}

resource "aws_iam_role_policy_attachment" "node" {
  for_each   = toset(["AmazonEKSWorkerNodePolicy", "AmazonEKS_CNI_Policy", "AmazonEC2ContainerRegistryPullOnly"])
  role       = aws_iam_role.node.name
  policy_arn = "arn:aws:iam::aws:policy/${each.key}"
}

resource "aws_launch_template" "gpu" {
  name_prefix = "${var.cluster}-tessera-"
  user_data   = base64encode(file("${path.module}/node-cache.mime"))
  # Pods don't reach the node's own credentials: they are one network hop too far.
  metadata_options {
    http_tokens                 = "required"
    http_put_response_hop_limit = 1
  }
  block_device_mappings {
    device_name = "/dev/xvda"
    ebs {
      volume_size = var.root_volume_gib
      volume_type = "gp3"
      encrypted   = true
    }
  }
}

resource "aws_eks_node_group" "gpu" {
  for_each        = local.groups
  depends_on      = [aws_iam_role_policy_attachment.node]
  cluster_name    = var.cluster
  node_group_name = "tessera-${each.key}"
  node_role_arn   = aws_iam_role.node.arn
  subnet_ids      = coalesce(var.subnet_ids, data.aws_eks_cluster.this.vpc_config[0].subnet_ids)
  ami_type        = "AL2023_x86_64_NVIDIA" # With driver and container toolkit.
  capacity_type   = each.value.capacity_type
  instance_types  = var.instance_types
  labels          = local.labels
  scaling_config {
    min_size     = 0
    desired_size = 0
    max_size     = var.max_nodes
  }
  launch_template {
    id      = aws_launch_template.gpu.id
    version = aws_launch_template.gpu.latest_version
  }
  dynamic "taint" {
    for_each = each.value.taints
    content {
      key    = taint.value.key
      value  = taint.value.value
      effect = "NO_SCHEDULE"
    }
  }
  lifecycle {
    ignore_changes = [scaling_config[0].desired_size] # The autoscaler's.
  }
}

# What the autoscaler knows of a group's nodes before there is one. Workers request ephemeral storage: a group that isn't
# known to have any would never grow for them. Labels and taints it can also ask EKS for, if its role may.
locals {
  hints = merge([for group, spec in local.groups : merge(
    { "${group}/resources/ephemeral-storage" = "${floor(var.root_volume_gib * 0.8)}Gi" },
    { for key, value in local.labels : "${group}/label/${key}" => value },
    { for taint in spec.taints : "${group}/taint/${taint.key}" => "${taint.value}:NoSchedule" },
  )]...)
}

resource "aws_autoscaling_group_tag" "hint" {
  for_each               = local.hints
  autoscaling_group_name = aws_eks_node_group.gpu[split("/", each.key)[0]].resources[0].autoscaling_groups[0].name
  tag {
    key                 = "k8s.io/cluster-autoscaler/node-template/${trimprefix(each.key, "${split("/", each.key)[0]}/")}"
    value               = each.value
    propagate_at_launch = false
  }
}
