variable "cluster" {
  type        = string
  description = "Name of an EKS cluster that exists, with an IAM OIDC provider and the Cluster Autoscaler."
}

variable "bucket" {
  type        = string
  description = "Name of the bucket to be created: weights, datasets and results."
}

variable "output_prefix" {
  type        = string
  default     = "runs"
  description = "Runs' `output` must lie below s3://BUCKET/PREFIX: workers may write nowhere else."
}

variable "subnet_ids" {
  type        = set(string)
  default     = null
  description = "Subnets of the GPU nodes, in zones that have the instance types; the cluster's own if null."
}

variable "instance_types" {
  type        = list(string)
  default     = ["g6.4xlarge", "g5.4xlarge"]
  description = "With one GPU and a local disk; alike in CPUs and memory, for the autoscaler reckons with the first."
}

variable "max_nodes" {
  type        = number
  default     = 8
  description = "Upper bound for each of the two node groups, spot and on-demand."
}

variable "root_volume_gib" {
  type        = number
  default     = 100
  description = "For images and pods' scratch volumes."
}
