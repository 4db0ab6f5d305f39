metadata description = 'Pullwatch: one custom role of control-plane actions. Names of roles are unique in a tenant, so one definition serves all subscriptions.'

targetScope = 'subscription'

@description('Name of the role: unique in the tenant.')
param roleName string

@description('What the role is for.')
param roleDescription string

@description('Its control-plane actions. There are no data actions and no wildcards.')
param actions string[]

@description('IDs of the subscriptions that it may be assigned in.')
param assignableScopes string[]

resource role 'Microsoft.Authorization/roleDefinitions@2022-04-01' = {
  // By the tenant, not by the subscription: the same name in another subscription has to be the same role.
  name: guid(tenant().tenantId, roleName)
  properties: {
    roleName: roleName
    description: roleDescription
    type: 'CustomRole'
    permissions: [
      {
        actions: actions
        notActions: []
        dataActions: []
        notDataActions: []
      }
    ]
    assignableScopes: assignableScopes
  }
}

@description('GUID of the role; its ID in a subscription is made of it.')
output roleGuid string = role.name
