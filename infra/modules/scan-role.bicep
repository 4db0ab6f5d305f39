// One custom role of control-plane actions. Its name is unique in the tenant, so one definition serves all subscriptions.
targetScope = 'subscription'

@description('Name of the role: unique in the tenant.')
param roleName string

@description('What the role is for.')
param roleDescription string

@description('Its control-plane actions. There are no data actions and no wildcards.')
param actions array

@description('Ids of the subscriptions that it may be assigned in.')
param assignableScopes array

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

@description('GUID of the role; its id in a subscription is made of it.')
output roleGuid string = role.name
