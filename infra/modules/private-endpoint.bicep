metadata description = 'One private endpoint and its record in a private DNS zone.'

@description('Name of the private endpoint.')
param name string

@description('Region of the private endpoint: that of its subnet.')
param location string

@description('Tags of the private endpoint.')
param tags { *: string }

@description('Resource ID of the subnet that it gets its address from.')
param subnetId string

@description('Resource ID of what it leads to.')
param targetId string

@description('Sub-resource of the target: blob, queue, table or sites.')
param groupId string

@description('Resource ID of the private DNS zone that its record is written to.')
param zoneId string

resource endpoint 'Microsoft.Network/privateEndpoints@2025-05-01' = {
  name: name
  location: location
  tags: tags
  properties: {
    subnet: { id: subnetId }
    customNetworkInterfaceName: 'nic-${name}'
    privateLinkServiceConnections: [
      {
        name: groupId
        properties: {
          privateLinkServiceId: targetId
          groupIds: [groupId]
        }
      }
    ]
  }

  resource dns 'privateDnsZoneGroups' = {
    name: 'default'
    properties: {
      privateDnsZoneConfigs: [
        {
          name: groupId
          properties: { privateDnsZoneId: zoneId }
        }
      ]
    }
  }
}
