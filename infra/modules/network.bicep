metadata description = 'A virtual network for the app where it gets none: a delegated subnet, a subnet for private endpoints, and a NAT gateway with a static address.'

@description('Name of the virtual network.')
param name string

@description('Region of the virtual network.')
param location string

@description('Tags of the virtual network.')
param tags { *: string }

@description('Address space, a /26 or larger. Half of it is the app\'s, a quarter the private endpoints\'.')
param addressPrefix string

@description('Name of the app\'s subnet; an underscore is not allowed.')
param appSubnetName string

@description('Name of the subnet for private endpoints.')
param endpointSubnetName string

@description('Whether outbound traffic leaves by a NAT gateway with a static public address.')
param natGateway bool

@description('Name of the NAT gateway.')
param natGatewayName string

@description('Name of its public address.')
param publicAddressName string

var prefixLength = int(split(addressPrefix, '/')[1])

resource publicAddress 'Microsoft.Network/publicIPAddresses@2025-05-01' = if (natGateway) {
  name: publicAddressName
  location: location
  tags: tags
  sku: { name: 'Standard', tier: 'Regional' }
  properties: {
    publicIPAllocationMethod: 'Static'
    publicIPAddressVersion: 'IPv4'
  }
}

resource gateway 'Microsoft.Network/natGateways@2025-05-01' = if (natGateway) {
  name: natGatewayName
  location: location
  tags: tags
  sku: { name: 'Standard' }
  properties: {
    publicIpAddresses: [{ id: publicAddress.id }]
  }
}

// Subnets are properties: as resources of their own, deploying again would remove them for a moment. Outbound access
// through Azure's default addresses is off only where the NAT gateway takes its place.
resource network 'Microsoft.Network/virtualNetworks@2025-05-01' = {
  name: name
  location: location
  tags: tags
  properties: {
    addressSpace: { addressPrefixes: [addressPrefix] }
    subnets: [
      {
        name: appSubnetName
        properties: {
          addressPrefix: cidrSubnet(addressPrefix, prefixLength + 1, 0)
          delegations: [
            {
              name: 'flex-consumption'
              properties: { serviceName: 'Microsoft.App/environments' }
            }
          ]
          natGateway: natGateway ? { id: gateway.id } : null
          defaultOutboundAccess: !natGateway
        }
      }
      {
        name: endpointSubnetName
        properties: {
          addressPrefix: cidrSubnet(addressPrefix, prefixLength + 2, 2)
          defaultOutboundAccess: false
        }
      }
    ]
  }
}

@description('The static public address of all outbound traffic; empty without a NAT gateway.')
output staticAddress string = natGateway ? publicAddress!.properties.ipAddress : ''
