metadata description = 'One private DNS zone, linked to the virtual network that the app resolves names in.'

@description('Name of the zone.')
param name string

@description('Tags of the zone.')
param tags { *: string }

@description('Resource ID of the virtual network.')
param networkId string

resource zone 'Microsoft.Network/privateDnsZones@2024-06-01' = {
  name: name
  location: 'global'
  tags: tags

  resource link 'virtualNetworkLinks' = {
    name: 'pullwatch'
    location: 'global'
    tags: tags
    properties: {
      registrationEnabled: false
      virtualNetwork: { id: networkId }
    }
  }
}
