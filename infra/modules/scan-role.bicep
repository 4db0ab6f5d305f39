metadata description = 'Pullwatch: one custom role of control-plane actions. Names of roles are unique in a tenant, so one definition serves all subscriptions.'

targetScope = 'subscription'

@description('Name of the role: unique in the tenant. This subscription and the name say which role it is.')
param roleName string

@description('What the role is for.')
param roleDescription string

@description('Its control-plane actions. There are no data actions and no wildcards.')
param actions string[]

@description('IDs of the subscriptions that it may be assigned in.')
param assignableScopes string[]

resource role 'Microsoft.Authorization/roleDefinitions@2022-04-01' = {
  // By the subscription that it is stored in, too: a deployment of somebody else's for other subscriptions then fails with
  // RoleDefinitionWithSameNameExists. By the name alone it would find this role and replace its assignable scopes.
  name: guid(subscription().id, roleName)
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
