using '../scan-access-mg.bicep'

param principalId = '11111111-0000-0000-0000-00000000000a'
