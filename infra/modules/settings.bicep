metadata description = 'What checks/settings.py reads, and how it is written into app settings. Deploys nothing.'

@export()
@description('Settings of Pullwatch by name without PULLWATCH_. One that is left out has the default of checks/settings.py; the README lists them. Lists are separated by commas. Those with a parameter of their own and those for development only are not here.')
@sealed()
type checkSettings = {
  @description('Subscription IDs never to check.')
  EXCLUDE_SUBSCRIPTIONS: string?
  @description('Login servers that every cluster is judged on, used or not.')
  REGISTRIES: string?
  @description('Read pods of clusters without Entra ID by their kubeconfig, which is equal to cluster-admin.')
  ALLOW_LOCAL_ACCOUNTS: bool?
  @description('Read pods of clusters out of reach by Run Command, which makes a pod in their namespace aks-command.')
  ALLOW_RUN_COMMAND: bool?
  @description('Canary pulls, which make pods.')
  CANARY: ('off' | 'on-demand' | 'scheduled')?
  @description('The namespace of canary pods. Requests over HTTP need one that is not default.')
  CANARY_NAMESPACE: string?
  @description('A small image that exists, for canaries to pull besides.')
  CANARY_IMAGE: string?
  @description('How long a canary pod waits for its answer.')
  CANARY_SECONDS: int?
  @description('Probe the Azure registries in use from where the app runs.')
  PROBE: bool?
  @description('Probe other registries that pods name too.')
  PROBE_OTHERS: bool?
  @description('Read from Azure Monitor how many pulls the Azure registries in use counted.')
  REGISTRY_METRICS: bool?
  @description('Whether registries\' logs are read: auto (where diagnostic settings lead), off, or ids of Log Analytics workspaces, separated by commas.')
  REGISTRY_LOGS: string?
  @description('How far back registries\' logs are read, in hours.')
  REGISTRY_LOG_HOURS: int?
  @description('Read the secrets that pods name in imagePullSecrets and try them.')
  READ_PULL_SECRETS: bool?
  @description('Ask the Azure registries in use whether the images still exist.')
  CHECK_IMAGES: bool?
  @description('Clusters of a shard checked at once.')
  CLUSTERS_AT_ONCE: int?
  @description('Checks of a single cluster that are taken over HTTP in an hour.')
  ONDEMAND_PER_HOUR: int?
  @description('Clusters in one queue message.')
  SHARD_SIZE: int?
  @description('Deadline of one call to Azure or Kubernetes, in seconds.')
  CALL_SECONDS: int?
  @description('Deadline of all reads for one cluster, in seconds.')
  CLUSTER_SECONDS: int?
  @description('Minutes after which a run that is not complete is closed with what is missing named.')
  RUN_MINUTES: int?
  @description('Consecutive failed checks before a facet counts as failing: one number, or facet=number separated by commas.')
  FAIL_AFTER: string?
  @description('Consecutive good checks before a facet counts as recovered, written in the same way.')
  PASS_AFTER: string?
  @description('Hours of Unknown after which a mail says what cannot be judged any more.')
  BLIND_HOURS: int?
  @description('Hours after which a mail reminds of what still fails; 0: none.')
  REMIND_HOURS: int?
  @description('Days for which runs are kept; they go by whole months.')
  KEEP_RUNS_DAYS: int?
  @description('Days for which the changes of a cluster are kept; older ones are folded into what they came to.')
  KEEP_CHANGES_DAYS: int?
  @description('Days for which a cluster is kept that was deleted or opted out; one that is only not seen stays.')
  KEEP_GONE_DAYS: int?
  @description('Days for which mails that were sent are kept, and messages that were given up.')
  KEEP_MAILS_DAYS: int?
  @description('At most so many mails an hour to the same people; what there is no room for is one mail.')
  MAILS_PER_HOUR: int?
  @description('The https:// address of a page, to which mails then link; left out: that of the app\'s own dashboard, where it has one.')
  DASHBOARD: string?
  @description('Where this repository\'s pages can be read, such as https://HOST/OWNER/pullwatch/blob/main, to which mails then link; left out: mails name the page.')
  DOCS_URL: string?
  @description('Which answers send mail when they change: access, path, pull, images.')
  ALERT_ON: string?
  @description('Who gets the mails about a subscription as well: subscription ID=addresses separated by commas, several of these separated by semicolons.')
  ROUTES: string?
  @description('Domains of the addresses that a cluster\'s tag pullwatch-notify may name; left out: those of mailRecipients; none: the tag is not followed.')
  NOTIFY_DOMAINS: string?
  @description('What is notified: failing or down (only pulls that fail); or route=word for the routes default, subscriptions, tags or a subscription ID.')
  MAIL_AT_LEAST: string?
  @description('Port of the SMTP server; Azure blocks 25 for most subscriptions.')
  SMTP_PORT: int?
  @description('starttls (required) or tls from the first byte. Without either, the app refuses to sign in.')
  SMTP_TLS: ('starttls' | 'tls' | 'none')?
}

@export()
@description('A cloud as PULLWATCH_CLOUD names it, by its name in environment().')
var cloudNames = {
  AzureCloud: 'AzurePublic'
  AzureChinaCloud: 'AzureChina'
  AzureUSGovernment: 'AzureUSGovernment'
}

@export()
@description('Settings as environment variables: PULLWATCH_ before each name, values as text.')
func asEnvironment(settings checkSettings) { *: string } =>
  toObject(items(settings), s => 'PULLWATCH_${s.key}', s => string(s.value))
