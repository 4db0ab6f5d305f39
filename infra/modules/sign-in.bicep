metadata description = 'Signing in to the dashboard: App Service authentication with Microsoft Entra ID, without a client secret. Every address of the API is left out of it and stays on keys.'

@description('Name of the function app, in this resource group.')
param siteName string

@description('Client ID of the app registration that people sign in to.')
param clientId string

@description('ID of the tenant that people sign in with.')
param tenantId string

resource site 'Microsoft.Web/sites@2025-03-01' existing = {
  name: siteName
}

// What no page is: programs ask there with a key and cannot sign in. /* stands for whatever comes below. A test compares
// these with the routes of the app; the dashboard, and whatever is not known, is not among them.
var apiPaths = [
  '/api/checks'
  '/api/clusters'
  '/api/clusters/*'
  '/api/doctor'
  '/api/health'
  '/api/health/details'
  '/api/incidents'
  '/api/incidents/*'
  '/api/metrics'
  '/api/openapi.json'
  '/api/registries/*'
  '/api/runs'
  '/api/runs/*'
  '/api/silences'
  '/api/silences/*'
]

resource authentication 'Microsoft.Web/sites/config@2025-03-01' = {
  parent: site
  name: 'authsettingsV2'
  properties: {
    platform: { enabled: true, runtimeVersion: '~1' }
    globalValidation: {
      requireAuthentication: true
      unauthenticatedClientAction: 'RedirectToLoginPage'
      redirectToProvider: 'azureactivedirectory'
      excludedPaths: apiPaths
    }
    httpSettings: {
      requireHttps: true
      forwardProxy: { convention: 'NoProxy' }
      routes: { apiPrefix: '/.auth' }
    }
    identityProviders: {
      azureActiveDirectory: {
        enabled: true
        registration: {
          clientId: clientId
          openIdIssuer: '${environment().authentication.loginEndpoint}${tenantId}/v2.0'
          // The app setting with the client ID of the identity whose token stands for a secret: the registration trusts it
          // by a federated credential.
          clientSecretSettingName: 'OVERRIDE_USE_MI_FIC_ASSERTION_CLIENTID'
        }
        validation: { allowedAudiences: [clientId] }
      }
    }
    login: {
      // Who signed in and with which roles is in the session's cookie; tokens are of no use here and are not kept.
      tokenStore: { enabled: false }
      cookieExpiration: { convention: 'FixedTime', timeToExpiration: '08:00:00' }
      nonce: { validateNonce: true, nonceExpirationInterval: '00:05:00' }
    }
  }
}
