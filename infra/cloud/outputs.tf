output "role_arns" {
  description = "For the ServiceAccounts' annotations: see k8s/components/workload-identity."
  value       = { for name, role in aws_iam_role.tessera : name => role.arn }
}
