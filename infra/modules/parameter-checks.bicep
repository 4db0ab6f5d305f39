metadata description = 'What main.bicep asks of its parameters beyond their types. Deploys nothing.'

@export()
@description('The addresses of a list that commas separate.')
func addressesOf(list string) string[] =>
  filter(map(split(list, ','), address => trim(address)), address => !empty(address))

@export()
@description('Whether a text is a list of addresses, which commas separate: one at least, none with a semicolon or a space in it.')
func isAddressList(list string) bool =>
  !empty(addressesOf(list)) && empty(filter(
    addressesOf(list),
    address => length(split(address, '@')) != 2 || contains(address, ';') || contains(address, ' ')
  ))

@export()
@description('Whether a text can be part of every resource\'s name: letters, digits and hyphens, none of these at an end. azd allows more.')
func isNamePart(name string) bool =>
  !startsWith(name, '-') && !endsWith(name, '-') && empty(filter(
    map(range(0, length(name)), index => substring(name, index, 1)),
    character => !contains('abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-', character)
  ))

@description('Whether a text is a number of a range, without zeros before it.')
func isNumber(text string, first int, count int) bool => contains(map(range(first, count), each => string(each)), text)

@description('Whether parts are those of an IPv4 address.')
func areOctets(parts string[]) bool => length(parts) == 4 && empty(filter(parts, part => !isNumber(part, 0, 256)))

@description('Whether the parts around a slash are those of an IPv4 range from /8 to /26.')
func areRange(parts string[]) bool =>
  length(parts) == 2 && isNumber(parts[length(parts) - 1], 8, 19) && areOctets(split(parts[0], '.'))

@export()
@description('Whether a text is an IPv4 range from /8 to /26 by its first address: none smaller holds the subnets of network.bicep.')
func isNetworkRange(prefix string) bool =>
  areRange(split(prefix, '/')) ? parseCidr(prefix).network == split(prefix, '/')[0] : false

var hexDigits = ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'a', 'b', 'c', 'd', 'e', 'f']

@export()
@description('Whether a text is a GUID, as client IDs and tenant IDs are.')
func isGuid(text string) bool =>
  join(map(split(text, '-'), part => string(length(part))), '-') == '8-4-4-4-12' && reduce(
    hexDigits,
    toLower(text),
    (rest, digit) => replace(string(rest), string(digit), '')
  ) == '----'

@export()
@description('Whether the parts of a resource ID are those of a Key Vault.')
func isVaultId(parts string[]) bool =>
  length(parts) == 8 && toLower(join(skip(take(parts, 7), 4), '/')) == 'providers/microsoft.keyvault/vaults'

@export()
@description('The name of a secret in its URI (https: / / host / secrets / name / version); empty where it is none.')
func secretNameOf(uri string) string =>
  toLower(split('${uri}////', '/')[3]) == 'secrets' ? split('${uri}////', '/')[4] : ''

@export()
@description('Whether the URI of a secret is in a vault of that name, in any cloud; an empty one is in any.')
func isInVault(uri string, vaultName string) bool =>
  empty(uri) || startsWith(toLower(uri), 'https://${toLower(vaultName)}.')
