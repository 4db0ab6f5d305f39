// Who notices that the app is dead, and who is mailed then: alert rules over the app's log, and their action group.
//
// The texts that the queries look for are those of checks/watchdog.py. Each query ends in one row, also where its table
// is empty: that is what an absence is found by, from the first deployment on, so the first run should be asked for at
// once. They begin with a table, the only form that Azure supports in alert rules ("Optimize log search alert queries"):
// while a table does not exist, because no app has written to the workspace yet, a rule cannot be evaluated.

@description('What the names of the action group and of the alert rules contain.')
@minLength(1)
@maxLength(100)
param name string

param location string

param tags { *: string }

@description('The Log Analytics workspace that Application Insights writes to.')
param workspaceId string

@description('The name of the function app: the role name of its telemetry.')
param appName string

@description('E-mail addresses, of at most 64 characters. Each has to be confirmed with the code that Azure sends to it.')
param recipients string[]

@description('The longest time in minutes that the schedule leaves between two runs.')
@minValue(1)
param scanIntervalMinutes int

// What Azure takes as the window of a rule, from an hour on. It takes none above two days.
var windows = [
  { minutes: 60, size: 'PT1H' }
  { minutes: 120, size: 'PT2H' }
  { minutes: 180, size: 'PT3H' }
  { minutes: 240, size: 'PT4H' }
  { minutes: 300, size: 'PT5H' }
  { minutes: 360, size: 'PT6H' }
  { minutes: 1440, size: 'P1D' }
  { minutes: 2880, size: 'P2D' }
]
// Below an hour a run that takes until its deadline would raise an alarm.
var overdueMinutes = max(2 * scanIntervalMinutes, 60)
var longEnough = filter(windows, window => window.minutes >= overdueMinutes)
// Where two intervals exceed every window, the app itself compares, and says every five minutes that all is well.
var isWithinWindow = !empty(longEnough)
var absence = isWithinWindow
  ? { text: 'run completed', window: longEnough[0].size, minutes: longEnough[0].minutes }
  : { text: 'latest run is recent', window: 'PT1H', minutes: 60 }

// Functions without HTTP triggers: one that fails is tried again by itself, so it takes several to raise an alarm.
var triggers = [
  'schedule'
  'sweep'
  'plan'
  'scan'
  'close'
  'deliver'
  'plan_poison'
  'scan_poison'
  'close_poison'
  'deliver_poison'
]

var traces = 'AppTraces\n| where AppRoleName =~ "${appName}"\n| where Message startswith'
var counted = '\n| summarize n = count()'

var rules = [
  {
    name: 'no-completed-run'
    title: 'Pullwatch has completed no run'
    description: 'No run reached its end for two intervals of the schedule. See /api/health/details of the app, and the log of the functions schedule, plan, scan and close.'
    severity: 1
    query: '${traces} "${absence.text}"${counted}'
    operator: 'LessThan'
    threshold: 1
    window: absence.window
    frequency: absence.minutes > 360 ? 'PT1H' : 'PT15M'
  }
  {
    name: 'not-configured'
    title: 'Pullwatch has a setting that cannot be used'
    description: 'The app does no work. The log line names the setting and what it takes.'
    severity: 1
    query: '${traces} "not configured"${counted}'
    operator: 'GreaterThan'
    threshold: 0
    window: 'PT30M'
    frequency: 'PT15M'
  }
  {
    name: 'mail-stuck'
    title: 'Pullwatch cannot send its mail'
    description: 'The oldest mail has been waiting for more than an hour. The log of the function deliver has the answer of the mail server.'
    severity: 1
    query: '${traces} "mail stuck"${counted}'
    operator: 'GreaterThan'
    threshold: 0
    window: 'PT30M'
    frequency: 'PT15M'
  }
  {
    name: 'mail-refused'
    title: 'Somebody does not get the mail of Pullwatch'
    description: 'A mail server refused an address for good. The log line names one; correct the setting or the tag that names it. Everybody else gets the mail.'
    severity: 2
    query: '${traces} "mail refused"${counted}'
    operator: 'GreaterThan'
    threshold: 0
    window: 'PT30M'
    frequency: 'PT15M'
  }
  {
    name: 'mail-set-aside'
    title: 'Pullwatch keeps notifications that it cannot read'
    description: 'Rows of a newer or of no known version are set aside. After a rollback, upgrade again; /api/health/details has how many there are.'
    severity: 2
    query: '${traces} "mail set aside"${counted}'
    operator: 'GreaterThan'
    threshold: 0
    window: 'PT30M'
    frequency: 'PT15M'
  }
  {
    name: 'poison'
    title: 'Pullwatch gave up a message'
    description: 'A message failed at every try and was recorded. What it stood for is missing from its run, or stays pending.'
    severity: 2
    query: '${traces} "poison recorded"${counted}'
    operator: 'GreaterThan'
    threshold: 0
    window: 'PT30M'
    frequency: 'PT15M'
  }
  {
    name: 'failed-functions'
    title: 'Functions of Pullwatch fail'
    description: 'Three or more calls of functions failed within half an hour.'
    severity: 2
    query: 'AppRequests\n| where AppRoleName =~ "${appName}"\n| where OperationName in ("${join(triggers, '", "')}")\n| where Success == false${counted}'
    operator: 'GreaterThanOrEqual'
    threshold: 3
    window: 'PT30M'
    frequency: 'PT15M'
  }
]

resource actionGroup 'Microsoft.Insights/actionGroups@2023-01-01' = {
  name: 'ag-${name}'
  location: 'Global'
  tags: tags
  properties: {
    groupShortName: 'pullwatch'
    enabled: true
    emailReceivers: [
      for (recipient, index) in recipients: {
        name: 'recipient-${index}'
        emailAddress: recipient
        useCommonAlertSchema: true
      }
    ]
  }
}

resource alerts 'Microsoft.Insights/scheduledQueryRules@2023-12-01' = [
  for rule in rules: {
    name: 'alert-${name}-${rule.name}'
    location: location
    tags: tags
    kind: 'LogAlert'
    properties: {
      displayName: rule.title
      // Each rule has a section of its name there (tests/test_docs.py).
      description: '${rule.description} What to do: docs/operations.md#${rule.name}'
      severity: rule.severity
      enabled: true
      scopes: [workspaceId]
      evaluationFrequency: rule.frequency
      windowSize: rule.window
      criteria: {
        allOf: [
          {
            query: rule.query
            timeAggregation: 'Total'
            metricMeasureColumn: 'n'
            operator: rule.operator
            threshold: rule.threshold
            failingPeriods: { numberOfEvaluationPeriods: 1, minFailingPeriodsToAlert: 1 }
          }
        ]
      }
      autoMitigate: true
      // At the first deployment the tables are not there: they come with the first line.
      skipQueryValidation: true
      actions: { actionGroups: [actionGroup.id] }
    }
  }
]

@description('The action group, for other alert rules.')
output actionGroupId string = actionGroup.id
