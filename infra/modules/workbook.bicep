metadata description = 'A workbook over the log: what runs came to, what they cost, what failed. It is read in the Azure portal.'

@description('What the workbook is called, and its GUID is made of: the installation.')
@minLength(1)
param name string

param location string

param tags { *: string }

@description('The Log Analytics workspace that Application Insights writes to.')
param workspaceId string

@description('The name of the function app: the role name of its telemetry.')
param appName string

// The file is the same for everybody. What it is about are values of its parameters, which these words hold the place of.
var content = replace(replace(loadTextContent('../workbook.json'), '<workspace>', workspaceId), '<app>', appName)

resource workbook 'Microsoft.Insights/workbooks@2023-06-01' = {
  // Azure takes nothing but a GUID; the same one each time, so that a deployment changes the workbook that is there.
  name: guid(resourceGroup().id, 'pullwatch', name)
  location: location
  tags: tags
  kind: 'shared'
  properties: {
    displayName: name
    category: 'workbook'
    version: '1.0'
    sourceId: workspaceId
    serializedData: content
  }
}
