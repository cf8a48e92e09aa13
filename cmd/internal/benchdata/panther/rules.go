package panther

// answer is what the scorer has for one of the set's rules.
type answer struct {
	// rule is a custom rule of testdata/models/panther.yaml, signal one of the
	// scorer's own; one of them is set.
	rule, signal string
	// times is how often the event is replayed, a few seconds apart: the rule
	// itself counts to a threshold.
	times int
	// session says that the session was seen on another network before, and in a
	// test about a device by another client: the set's own test has this as a mock.
	session bool
}

// guesses is the threshold of Standard.BruteForceByUser, which the others about
// guessing share here.
const guesses = 20

func custom(id string) answer { return answer{rule: "rule." + id, times: 1} }

func guessing(signal string) answer { return answer{signal: signal, times: guesses} }

// answers maps the rules whose truth is about a request, a sign-in or a session
// that a gateway sees. Those that are not here are unmapped; the package's
// comment says by what criteria.
//
//nolint:gochecknoglobals // A constant: Go has no constant tables.
var answers = map[string]answer{
	// By the scorer's own signals.
	"Standard.BruteForceByUser":           guessing("credential.failures_by_address"),
	"Snowflake.Stream.BruteForceByIp":     guessing("credential.failures_by_address"),
	"OpenAI.CredentialStuffing":           guessing("credential.failures_by_address"),
	"Anthropic.Activity.SSO.Login.Failed": guessing("credential.failures_by_address"),
	"AWS.Unsuccessful.MFA.attempt":        guessing("credential.mfa_fatigue"),
	"Okta.PotentiallyStolenSession":       {signal: "net.concurrent_places", times: 1, session: true},
	// By rules that an operator writes. Sign-ins, factors, sessions:
	"Okta.User.Account.Locked":             custom("account_locked"),
	"Azure.Audit.ExcessiveAccountLockouts": custom("account_locked"),
	"Duo.Admin.Lockout":                    custom("account_locked"),
	"DUO.User.Denied.AnomalousPush":        custom("factor_refused_as_fraud"),
	"DUO.User.BypassCode.Used":             custom("factor_bypassed"),
	"Okta.User.MFA.Factor.Suspend":         custom("factor_suspended"),
	"Okta.User.MFA.Reset.All":              custom("factor_removed"),
	"GSuite.TwoStepVerification":           custom("factor_removed"),
	"OneLogin.AuthFactorRemoved":           custom("factor_removed"),
	"Snowflake.Stream.LoginWithoutMFA":     custom("single_factor"),
	"Azure.Audit.ROPCLoginNoMFA":           custom("password_grant"),
	"Azure.Audit.LegacyAuth":               custom("legacy_client"),
	"Databricks.Audit.NonSSOLogin":         custom("not_by_single_sign_on"),
	"Salesforce.Admin.Login.As.User":       custom("signed_in_as"),
	"Okta.Rate.Limits":                     custom("rate_limit"),
	// Requests and firewalls:
	"AWS.WAF.Managed.AdminProtection":                   custom("firewall_admin"),
	"AWS.WAF.Managed.IPReputation":                      custom("firewall_reputation"),
	"AWS.WAF.Managed.SQLDatabase":                       custom("firewall_sql"),
	"GCP.CloudArmor.React2Shell.RCE.Attempt":            custom("firewall_code"),
	"GCP.Access.Attempts.Violating.IAP.Access.Controls": custom("proxy_refused"),
	"GitHub.SupplyChain.SuspiciousUserAgents":           custom("package_manager"),
	// Calls of a cloud's API:
	"AWS.Console.RootLoginFailed":                           custom("root_sign_in_failed"),
	"AWS.Console.LoginWithoutSAML":                          custom("console_without_sso"),
	"AWS.CloudTrail.UserAccessKeyAuth":                      custom("access_key"),
	"AWS.Root.Activity":                                     custom("root_acts"),
	"AWS.Potential.Backdoor.Lambda":                         custom("lambda_permission"),
	"AWS.Bedrock.DeleteModelInvocationLoggingConfiguration": custom("model_logging"),
	"AWS.CloudTrail.AttemptToLeaveOrg":                      custom("leaves"),
	"AWS.CloudTrail.Created":                                custom("trail_created"),
	"AWS.CloudTrail.SES.CheckIdentityVerifications":         custom("mail_scouting"),
	"AWS.CloudTrail.SES.CheckSendQuota":                     custom("mail_scouting"),
	"AWS.CloudTrail.SES.ListIdentities":                     custom("mail_scouting"),
	"AWS.CloudTrail.DNSLogsDeleted":                         custom("network_logs"),
	"AWS.VPCFlow.LogsDeleted":                               custom("network_logs"),
	"AWS.EC2.EBS.Encryption.Disabled":                       custom("disk_encryption"),
	"AWS.EC2.ManualSecurityGroupChange":                     custom("group_by_hand"),
	"AWS.EC2.ManyPasswordReadAttempts":                      custom("machine_password"),
	"AWS.EC2.MultiInstanceConnect":                          custom("machine_key"),
	"AWS.EC2.NetworkACLModified":                            custom("network_changed"),
	"AWS.EC2.RouteTableModified":                            custom("network_changed"),
	"AWS.EC2.StopInstances":                                 custom("machines_stopped"),
	"AWS.EC2.Traffic.Mirroring":                             custom("mirror"),
	"AWS.CloudTrail.IAMAnythingChanged":                     custom("identity_changed"),
	"AWS.IAM.CreateUser":                                    custom("user_created"),
	"AWS.IAM.PolicyModified":                                custom("policy_changed"),
	"AWS.IAMUser.ReconAccessDenied":                         custom("denied_scouting"),
	"AWS.CloudTrail.UnauthorizedAPICall":                    custom("denied"),
	"AWS.KMS.CustomerManagedKeyLoss":                        custom("key_lost"),
	"AWS.Modify.Cloud.Compute.Infrastructure":               custom("machines_changed"),
	"AWS.RDS.AutomatedBackupDeleted":                        custom("database"),
	"AWS.RDS.IAMRoleAdded":                                  custom("database"),
	"AWS.RDS.InstanceRebooted":                              custom("database"),
	"AWS.RDS.LogFileDownloaded":                             custom("database"),
	"AWS.RDS.SnapshotDeleted":                               custom("database"),
	"AWS.RDS.SnapshotExport":                                custom("database"),
	"AWS.S3.BucketDeleted":                                  custom("objects_deleted"),
	"AWS.S3.DeleteObjects":                                  custom("objects_deleted"),
	"AWS.S3.RansomwareNoteUpload":                           custom("ransom_note"),
	"AWS.Suspicious.SAML.Activity":                          custom("saml_provider"),
	"AWS.SecretsManager.RetrieveSecrets":                    custom("secrets"),
	"AWS.SecretsManager.BatchRetrieveSecrets":               custom("secrets"),
	"AWS.SecretsManager.RetrieveSecretsMultiRegion":         custom("secrets"),
	"AWS.CloudTrail.SecurityConfigurationChange":            custom("guard_changed"),
	"AWS.UnusedRegion":                                      custom("unused_region"),
	"AWS.WAF.Disassociation":                                custom("firewall_removed"),
	"Sign-in.with.AWS.CLI.prompt":                           custom("command_line"),
	// Requests to a cluster's API:
	"Kubernetes.API.IOC.Activity":             custom("cluster_tor"),
	"Kubernetes.AdmissionController.Created":  custom("cluster_webhook"),
	"Kubernetes.DaemonSet.Created":            custom("cluster_daemon"),
	"Kubernetes.Pod.SystemNamespace":          custom("cluster_system_pod"),
	"Kubernetes.Secret.AccessDenied":          custom("cluster_secret_refused"),
	"Kubernetes.BulkSecretAccess":             custom("cluster_secrets"),
	"Kubernetes.Pod.StealServiceAccountToken": custom("cluster_token"),
	"Kubernetes.SystemRole.Modified":          custom("cluster_role"),
}
