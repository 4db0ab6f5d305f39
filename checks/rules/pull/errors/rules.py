"""The rules, in the order in which they are applied; the first that matches decides.

The order matters. Errors that name their cause (a firewall's own message, a signature policy, a full disk) come first.
Then the network path: proxy, DNS, TLS, timeouts, refused connections; after such an error there was no answer from the
registry. Then the registry's answers: rate limit, expired or missing credentials, wrong platform, unsupported manifest,
server error, denied, not found. Last come errors that show only that something failed.

Patterns see one line in ASCII lower case, with names, paths and queries masked (``unwrap.clean``). A status code is
matched with its phrase or its label ("401 unauthorized", "status: 403", "http 429"), never as bare digits. Every
repetition is bounded, so a search is linear in the text. Examples are written for this project.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType

import msgspec

from checks.rules.images import DOCKER_HUB
from checks.rules.pull.errors.causes import PullErrorCause
from checks.rules.pull.errors.literal_prefilter import required_literals


class Rule(msgspec.Struct, frozen=True, kw_only=True):
    """The cause of one wording: ``id`` is stable, ``source`` the software that writes it, ``note`` what is not obvious.

    ``hosts``: the rule applies only if this matches a host in the image or the text. ``literals`` are
    derived from the pattern: if the text contains none of them, the pattern cannot match.
    """

    id: str
    cause: PullErrorCause
    pattern: re.Pattern[str]
    example: str
    source: str
    note: str = ""
    hosts: re.Pattern[str] | None = None
    literals: tuple[str, ...] = ()

    def search(self, text: str) -> re.Match[str] | None:
        """The pattern's first match in masked, lower-case text (``unwrap``); ``hosts`` is not applied here."""
        if self.literals and not any(literal in text for literal in self.literals):
            return None
        return self.pattern.search(text)


def _rule(
    cause: PullErrorCause,
    name: str,
    pattern: str,
    example: str,
    source: str,
    *,
    note: str = "",
    hosts: str | None = None,
) -> Rule:
    return Rule(
        id=name,
        cause=cause,
        pattern=re.compile(pattern),
        example=example,
        source=source,
        note=note,
        hosts=re.compile(hosts) if hosts else None,
        literals=required_literals(pattern),
    )


def _labelled(code: str) -> str:
    """A status code with its label, as Go, moby, containers/image and Azure's clients word it."""
    http = r"http(?:/[12](?:\.[01])?)?(?: status)?(?: code)?"
    label = rf"(?:status(?: ?code)?(?: from [a-z]{{1,20}})?|{http}|response code|error code|code)"
    return rf"\b{label}[ :=]{{1,3}}\(?{code}\b"


def _status(code: str, phrase: str) -> str:
    """A status code with its label, or with its phrase."""
    return rf"\b{code}:? \(?{phrase}|{_labelled(code)}"


_ACR = r"\bazurecr\.(?:io|cn|us|de)\b|\bblob\.(?:core|storage)\.[a-z]"
_NO_LOGIN_NEEDED = r"\bmcr\.microsoft\.com\b|\bregistry\.k8s\.io\b|\bk8s\.gcr\.io\b|\bmcr\.azk8s\.cn\b"

_NAMED = (
    _rule(
        PullErrorCause.FIREWALL_DENIED,
        "firewall-client-ip",
        r"client with ip .{0,80}is not allowed|aka\.ms/acr/firewall",
        "denied: client with IP '203.0.113.9' is not allowed access. Refer https://aka.ms/acr/firewall",
        "Azure Container Registry",
    ),
    _rule(
        PullErrorCause.FIREWALL_DENIED,
        "firewall-public-access-off",
        r"public (?:network )?access (?:is |has been |was )?(?:disabled|denied|not (?:allowed|permitted))"
        r"|not allowed by (?:the )?(?:network|firewall) rules?|blocked by (?:the |a |your )?(?:\w{1,20} )?firewall",
        "unexpected status: 403 Forbidden: public network access is disabled for this registry",
        "Azure",
    ),
    _rule(
        PullErrorCause.FIREWALL_DENIED,
        "firewall-layer-storage",
        r"authorizationfailure|this request is not authorized to perform this operation(?! using)",
        "error pulling image configuration: error parsing HTTP 403 response body: <Code>AuthorizationFailure</Code>",
        "Azure Storage",
        note="Layers come from a storage account, and this code is its network rule (a missing role has another code)",
    ),
    _rule(
        PullErrorCause.FIREWALL_DENIED,
        "firewall-local-socket",
        r"connect: (?:permission denied|operation not permitted)|forbidden by its access permissions",
        'Get "https://contoso.azurecr.io/v2/": dial tcp 203.0.113.9:443: connect: operation not permitted',
        "Linux, Windows",
        note="The node's own packet filter refuses the connection; no packet reached the registry",
    ),
    _rule(
        PullErrorCause.POLICY,
        "policy-pull-never",
        r"pull policy of never|errimageneverpull",
        'Container image "contoso.azurecr.io/web:1" is not present with pull policy of Never',
        "kubelet",
    ),
    _rule(
        PullErrorCause.POLICY,
        "policy-signature",
        r"source image rejected|signaturevalidationfailed|signature (?:was |is )required|not signed\b"
        r"|signature (?:\w{1,12} )?(?:validation|verification) (?:failed|error)"
        r"|(?:verify|verifying|validate) (?:\w{1,12} )?signature"
        r"|failed verification|no (?:valid |matching |trusted )?signatures?\b"
        r"|image verification failed|\btrust policy|no matching attestations|remote trust data does not exist"
        r"|invalid (?:gpg )?signature|(?:reading|parsing) signatures?\b|unrecognized signature format",
        "Source image rejected: None of the signatures were accepted, a signature was required",
        "containers/image, Ratify, Docker Content Trust",
    ),
    _rule(
        PullErrorCause.POLICY,
        "policy-admission",
        r"admission webhook .{0,300}denied|admission (?:policy|controller) .{0,300}(?:denied|rejected)"
        r"|(?:denied|rejected|blocked|forbidden|prevented|disallowed) by (?:\S{1,80} ){0,4}"
        r"(?:policy|policies|attestor|admission rule)"
        r"|imagepolicywebhook|\[azurepolicy-|not from an? (?:allowed|trusted|approved) registr"
        r"|is blocked in \S{1,80}registries|registry \S{1,300} is blocked in\b",
        'admission webhook "validation.gatekeeper.sh" denied the request: image is not from an allowed registry',
        "Gatekeeper, Kyverno, registries.conf",
    ),
    _rule(
        PullErrorCause.POLICY,
        "policy-registry",
        r"projectpolicyviolation|412:? \(?precondition failed|due to (?:the )?configured policy"
        r"|cannot be pulled due to|vulnerability scanning"
        r"|blocked by (?:jfrog )?xray|violates (?:\S{1,40} ){0,3}polic|quarantined?\b.{0,60}(?:image|artifact|policy)",
        "unknown: current image with 3 vulnerabilities cannot be pulled due to configured policy in project",
        "Harbor, Artifactory",
        note="Harbor answers 412 if its project's policy forbids the pull, sometimes without details",
    ),
    _rule(
        PullErrorCause.INVALID_REFERENCE,
        "reference-invalid",
        r"invalid reference format|(?:couldn't|could not|cannot|failed to|error|unable to) "
        r"(?:parse|parsing(?! image name)) (?:image |docker )?(?:reference|image name|image)\b"
        r"|failed to apply default image tag|invalidimagename"
        r"|repository name must |must be lowercase|invalid (?:tag format|image name|image reference|repository name)"
        r"|invalid checksum digest|unsupported digest algorithm|first path segment in url"
        r"|invalid port \S{1,80} after host|address \S{1,80}: invalid port\b|name[_ ]invalid",
        'Failed to apply default image tag "Contoso/Web:": couldn\'t parse image reference: invalid reference format',
        "distribution/reference, kubelet",
    ),
    _rule(
        PullErrorCause.INVALID_REFERENCE,
        "reference-short-name",
        r"did not resolve to an alias|short-?name (?:mode is enforcing|resolution enforced)"
        r"|unqualified-search registr|returns ambiguous list",
        'short-name "web:1" did not resolve to an alias and no unqualified-search registries are defined',
        "containers/image",
        note="The name has no registry and the node has no search list",
    ),
    _rule(
        PullErrorCause.NODE_DISK,
        "disk-full",
        r"no space left on device|not enough (?:free )?(?:disk )?space|insufficient (?:free )?(?:disk |storage )space"
        r"|disk quota exceeded|no (?:free )?inodes|disk ?pressure|freediskspacefailed|disk (?:is )?full|\benospc\b"
        r"|thin pool has .{0,80}free data blocks",
        "failed to extract layer: write /var/lib/containerd/x: no space left on device",
        "Linux, Windows, kubelet",
    ),
    _rule(
        PullErrorCause.NODE_DISK,
        "disk-fault",
        r"read-only file ?system|input/output error|structure needs cleaning|i/o device error|bad message$",
        "failed to prepare extraction snapshot: write /var/lib/containerd/meta.db: input/output error",
        "Linux",
        note="The node's disk is at fault, not the layer, which extracts on other nodes",
    ),
    _rule(
        PullErrorCause.UNKNOWN,
        "extraction-not-permitted",
        r"(?:failed to (?:extract|register|apply) layer|importlayer|processbaselayer|applylayer).{0,2000}"
        r"(?:access is denied|operation not permitted|permission denied|invalid argument)",
        "failed to register layer: re-exec error: remove C:\\\\ProgramData\\\\docker\\\\lsass.exe: Access is denied.",
        "containerd, moby, hcsshim",
        note="The node's file system denies, not the registry",
    ),
    _rule(
        PullErrorCause.UNKNOWN,
        "extraction-helper",
        r"stream processor for .{0,300}(?:exec format error|executable file not found|no such file)",
        "failed to get stream processor for application/x: fork/exec /usr/bin/unpigz: exec format error",
        "containerd",
        note="The program on the node that unpacks layers does not start; the image is not at fault",
    ),
    _rule(
        PullErrorCause.UNKNOWN,
        "runtime-unreachable",
        r"dial unix |unix://|cannot connect to the docker daemon|//\./pipe/|runtime is (?:down|not ready)"
        r"|error reading from server: ",
        'connection error: desc = "transport: Error while dialing: dial unix /run/x.sock: connect: connection refused"',
        "kubelet, gRPC",
        note="The node's container runtime is down; the refused connection in this text is not the registry's",
    ),
)

_NETWORK = (
    _rule(
        PullErrorCause.PROXY,
        "proxy-connect",
        r"proxyconnect|socks connect|(?:connect(?:ing)? to|reach|using|via|dial) (?:the )?(?:http |https )?proxy\b"
        r"|from proxy after connect|connect tunnel failed|invalid proxy\b",
        "proxyconnect tcp: dial tcp: lookup proxy.contoso.example on 10.0.0.10:53: no such host",
        "Go net/http",
        note="Whatever follows (a lookup, a refusal, a certificate) is about the proxy, not the registry",
    ),
    _rule(
        PullErrorCause.PROXY,
        "proxy-authentication",
        r"proxy authentication required|proxyauthenticationrequired|" + _status("407", "proxy"),
        'Head "https://contoso.azurecr.io/v2/": Proxy Authentication Required',
        "Go net/http",
    ),
    _rule(
        PullErrorCause.PROXY,
        "proxy-refused-tunnel",
        r"\b(?:get|head|post) \"?https://[^\s\"]{1,300}\"?: (?:forbidden|service unavailable|bad gateway"
        r"|gateway time-?out|blocked by \S{1,40}|denied by \S{1,40}|connection established)(?:$|[,;\"\])])"
        r"|\b(?:get|head|post) \"?https://[^\s\"]{1,300}\"?: "
        r"(?!unauthori|denied|unknown|cancel|time|unsupp|dial|read|write|lookup|remote|context|server)[a-z_-]{4,40}$",
        'failed to do request: Head "https://contoso.azurecr.io/v2/web/manifests/1": Forbidden',
        "Go net/http",
        note="A status text without its code is a proxy's answer to CONNECT, even if it is a single word; "
        "answers of registries have the code",
    ),
    _rule(
        PullErrorCause.DNS,
        "dns-no-such-host",
        r"no such host|name or service not known|temporary failure in name resolution|could not resolve host"
        r"|nodename nor servname|no address associated with hostname|unknown host\b",
        "dial tcp: lookup contoso.azurecr.io on 168.63.129.16:53: no such host",
        "Go net, libc, Windows",
    ),
    _rule(
        PullErrorCause.DNS,
        "dns-resolver-failed",
        r"server misbehaving|getaddrinfo|hostname resolution|name resolution fail|dns message"
        r"|\blookup \S{1,255} on \S{1,120}: |\blookup [^\s:]{0,255}\.[^\s:]{1,255}: "
        r"|(?:read|write) udp \S{1,120}:53: |dial udp \S{1,120}:53: ",
        "dial tcp: lookup contoso.azurecr.io on 10.0.0.10:53: read udp 10.1.0.4:40001->10.0.0.10:53: i/o timeout",
        "Go net",
        note="A lookup that timed out or was refused is about the resolver, so this comes before timeouts and refusals",
    ),
    _rule(
        PullErrorCause.CORRUPT_OR_INTERRUPTED,
        "interrupted-record",
        r"bad record mac|decryption failed or bad record",
        "failed to fetch layer: remote error: tls: bad record MAC",
        "Go crypto/tls",
        note="The data of an established connection was altered in transit: certificate and protocol are not at fault",
    ),
    _rule(
        PullErrorCause.TLS,
        "tls-certificate",
        r"\bx509: |signed by unknown authority|(?:failed to|unable to) verify (?:the )?(?:first )?certificate"
        r"|certificate (?:has expired|is valid for|is not trusted|relies on|verify failed|is not yet valid)"
        r"|certificate_verify_failed|self[- ]signed certificate|unknown certificate|bad certificate",
        "tls: failed to verify certificate: x509: certificate signed by unknown authority",
        "Go crypto/x509",
    ),
    _rule(
        PullErrorCause.TLS,
        "tls-plain-http",
        r"gave http response to https client|http request to an https server|malformed http response"
        r"|does not look like a tls handshake|wrong version number",
        'Get "https://10.0.0.7:5000/v2/": http: server gave HTTP response to HTTPS client',
        "Go net/http",
    ),
    _rule(
        PullErrorCause.TLS,
        "tls-protocol",
        r"\btls: |\bssl: |handshake failure|oversized record|ssl_error|tlsv1 alert|no common (?:cipher|protocol)",
        "remote error: tls: protocol version not supported",
        "Go crypto/tls",
    ),
    _rule(
        PullErrorCause.CONNECT_TIMEOUT,
        "timeout-io",
        r"i/o timeout|tls handshake timeout|connection timed out|a connection attempt failed"
        r"|(?:connection|connect|operation|request|network|read|dial|pull) time-?out\b"
        r"|did not properly respond after a period|timeout awaiting response|wait(?:ing)? for connection",
        "dial tcp 203.0.113.9:443: i/o timeout",
        "Go net, Windows",
    ),
    _rule(
        PullErrorCause.CONNECT_TIMEOUT,
        "timeout-deadline",
        r"client\.timeout|context deadline exceeded|deadlineexceeded|awaiting headers|context cancell?ed"
        r"|because of no progress|pull progress (?:deadline|timeout)|request cancell?ed|code = canceled|timed out\b",
        "failed to copy: httpReadSeeker: failed open: failed to do request: context deadline exceeded",
        "Go context, kubelet",
    ),
    _rule(
        PullErrorCause.CONNECT_REFUSED,
        "refused",
        r"connection refused|actively refused",
        "dial tcp 203.0.113.9:443: connect: connection refused",
        "Linux, Windows",
    ),
    _rule(
        PullErrorCause.CONNECT_REFUSED,
        "reset",
        r"connection reset|forcibly closed|broken pipe|connection (?:was )?aborted|closed network connection",
        "read tcp 10.1.0.4:40001->203.0.113.9:443: read: connection reset by peer",
        "Linux, Windows",
        note="Something on the network path resets the connection: far more often a firewall than the registry",
    ),
    _rule(
        PullErrorCause.CONNECT_REFUSED,
        "no-route",
        r"no route to host|network is unreachable|network (?:is )?down\b|host is (?:down|unreachable)"
        r"|unreachable (?:host|network)|cannot assign requested address|address family not supported",
        "dial tcp 10.20.0.5:443: connect: no route to host",
        "Linux, Windows",
        note="Rejected immediately by the node's own routing or by a router, unlike a timeout",
    ),
)

_ANSWERED = (
    _rule(
        PullErrorCause.RATE_LIMITED,
        "rate-limited",
        r"toomanyrequests|too many requests|\brate[ -]limit|\brate exceeded|(?:pull|download|bandwidth) limit|throttl"
        r"|exceeded (?:the |your )?(?:\w{1,20} )?rate|requests? per (?:second|minute|hour|day)|slow ?down\b"
        r"|quota exceeded for quota|over the account limit|" + _status("429", "too"),
        "unexpected status from HEAD request to https://contoso.azurecr.io/v2/web/manifests/1: 429 Too Many Requests",
        "Docker Hub, ACR, ECR, GCR",
    ),
    _rule(
        PullErrorCause.RATE_LIMITED,
        "rate-node-qps",
        r"pull qps exceeded|qps exceeded|registrypullqps",
        'Failed to pull image "web:1": pull QPS exceeded',
        "kubelet",
        note="Kubelet's own limit (registryPullQPS), not the registry's",
    ),
    _rule(
        PullErrorCause.CREDENTIALS_EXPIRED,
        "credentials-expired",
        r"(?:token|credentials?|password|secrets?|keys?|session|login|jwt) (?:\S{1,60} ){0,5}?"
        r"(?:expired|no longer valid)"
        r"|expired (?:\w{1,20} )?(?:token|credentials?|password|secret|jwt)|expiredtoken|aadsts7000222|aadsts700082",
        "denied: Your authorization token has expired. Reauthenticate and try again.",
        "ECR, Docker Hub, Microsoft Entra",
    ),
    _rule(
        PullErrorCause.CREDENTIALS_MISSING,
        "credentials-none-offered",
        r"no basic auth credentials|unauthenticated requests?|without credentials|no credentials?\b(?! on this request)"
        r"|credentials? (?:were |was |are |is )?(?:not (?:found|provided|supplied|present|set)|missing)"
        r"|missing credentials|nocredentialproviders|(?:find|locate|load|obtain|retrieve) (?:\w{1,20} ){0,2}credentials"
        r"|anonymous (?:\w{1,20} )?(?:is |are )?(?:not (?:allowed|permitted|authorized)|disabled)"
        r"|(?:must|need to) (?:be )?log(?:ged)? ?in\b|not logged in",
        'Head "https://1234.dkr.ecr.eu-west-1.amazonaws.com/v2/web/manifests/1": no basic auth credentials',
        "moby, containerd, Artifact Registry",
    ),
    _rule(
        PullErrorCause.CREDENTIALS_MISSING,
        "credentials-secret-absent",
        r"unable to retrieve some image pull secrets|failedtoretrieveimagepullsecret"
        r"|(?:pull ?secret|imagepullsecret|secret)s? \S{1,255} not found",
        "Unable to retrieve some image pull secrets (regcred); attempting to pull the image may not succeed.",
        "kubelet",
    ),
    _rule(
        PullErrorCause.CREDENTIALS_MISSING,
        "credentials-provider-failed",
        r"(?:no azure|azure|managed|kubelet) identity (?:\S{1,80} )?(?:was )?not found|no (?:azure )?identity found"
        r"|docker-credential-\S{1,60}"
        r"|credentials? (?:provider|helper|store|plugin)s? .{0,160}(?:not found|fail|error)"
        r"|error getting credentials",
        'error getting credentials - err: exec: "docker-credential-acr-env": executable file not found in $PATH',
        "kubelet credential providers, IMDS",
        note="The node could not get a credential",
    ),
    _rule(
        PullErrorCause.PLATFORM_MISMATCH,
        "platform-no-match",
        r"no match for platform|no matching manifest for|no image found in (?:manifest list|image index)"
        r"|choosing (?:an )?image instance|no child with platform|does not provide the specified platform"
        r"|descriptor matching platform|(?:no|find) (?:\w{1,20} ){1,3}for (?:the )?platform\b"
        r"|not available for (?:the )?platform\b|pulled with platform .{1,80}expected"
        r"|(?:no|unsupported|unknown|wrong|incompatible) (?:image )?(?:platform|architecture|operating system)\b",
        "no match for platform in manifest sha256:5f0c: not found",
        "containerd, moby, containers/image",
        note='Ends in "not found" too, but the image exists, only not for the platform of this node',
    ),
    _rule(
        PullErrorCause.PLATFORM_MISMATCH,
        "platform-incompatible",
        r"does not match (?:the )?(?:specified |detected |requested |expected )?"
        r"(?:host|platform|architecture|operating system)"
        r"|incompatible with (?:a|the|this) .{1,80}host|cannot be used on this platform|exec format error"
        r"|image operating system \S{1,40} cannot|is not supported on this (?:platform|host|version)"
        r"|processbaselayer\b.{0,600}the system cannot find the path specified",
        "a Windows version 10.0.20348-based image is incompatible with a 10.0.17763 host",
        "moby, hcsshim",
        note="ProcessBaseLayer finds no Windows folders in a Linux image; ImportLayer has other causes",
    ),
    _rule(
        PullErrorCause.UNSUPPORTED_MANIFEST,
        "manifest-old-schema",
        r"schema ?(?:version )?1\b.{0,200}(?:deprecat|remov|no longer|not supported|unsupported|disabled)"
        r"|docker image format v1\b|manifest\.v1\+(?:json|prettyjws)|(?:unsupported|deprecated|old) (?:docker )?schema"
        r"|no longer supported since containerd|deprecated_pull_schema_1",
        "Pulling Schema 1 images has been deprecated and is disabled by default",
        "containerd, moby",
    ),
    _rule(
        PullErrorCause.CORRUPT_OR_INTERRUPTED,
        "corrupt-web-page",
        r"media ?-?type:? \"?text/html",
        "failed to unpack image on snapshotter overlayfs: unexpected media type text/html for sha256:5f0c: not found",
        "containerd",
        note="A web page was stored instead of the manifest: a portal or a proxy answered, not the registry",
    ),
    _rule(
        PullErrorCause.UNSUPPORTED_MANIFEST,
        "manifest-media-type",
        r"(?:unsupported|unexpected|unknown|invalid|unrecognized|unhandled) (?:\w{1,20} ){0,3}"
        r"media ?-?type|media ?-?type .{0,200}(?:unsupported|not supported|not allowed|unknown|unrecognized|is invalid)"
        r"|mediatype in manifest|unknown type application/"
        r"|(?:unsupported|unexpected|unknown|invalid) (?:image )?manifest\b"
        r"|manifest invalid"
        r"|manifest_invalid|not a (?:container|runnable|valid) image|image rootfs and manifest layers"
        r"|layers and diffids|(?:unsupported|unknown) compression|zstd: unsupported|invalid rootfs"
        r"|operation on artifact|(?:unsupported|unknown) schema(?: ?version)?\b"
        r"|no processor for media-type|rejecting \d{1,20} byte manifest",
        'unsupported media type "application/vnd.cncf.helm.config.v1+json"',
        "containerd, containers/image, moby",
        note="A chart, a signature or another artifact, or a manifest that this runtime cannot read",
    ),
    _rule(
        PullErrorCause.REGISTRY_ERROR,
        "registry-quota",
        r"quota (?:has been |is |was )?(?:reached|exceeded)|exceed(?:s|ed|ing)? .{0,60}\bquota|storage (?:limit|quota)",
        "denied: quota has been exceeded on this namespace",
        "Quay, Harbor",
        note="A proxy cache that cannot store what it pulls; no permission is missing",
    ),
    _rule(
        PullErrorCause.REGISTRY_ERROR,
        "registry-sign-in",
        r"token auth challenge|did not include a token"
        r"|fetch (?:\w{1,20} )?token: unexpected status(?: from [a-z]{1,10} request to \S{1,300})?: 404\b",
        "failed to authorize: failed to fetch anonymous token: unexpected status: 404 Not Found",
        "containerd",
        note="There is no token service at the registry's realm; this shows nothing about permissions or the image",
    ),
    _rule(
        PullErrorCause.REGISTRY_ERROR,
        "registry-5xx",
        r"internal server error|bad gateway|service (?:is )?(?:temporarily |currently )?unavailable|gateway time-?out"
        r"|backend error|upstream connect error|no healthy upstream|unknown: unknown error|" + _labelled(r"5\d\d"),
        "received unexpected HTTP status: 502 Bad Gateway",
        "Go net/http, moby, containers/image",
    ),
    _rule(
        PullErrorCause.FIREWALL_DENIED,
        "firewall-acr-403",
        _status("403", "forbidden") + r"|: forbidden\b|access forbidden",
        "failed to authorize: failed to fetch oauth token: unexpected status from GET request to "
        "https://contoso.azurecr.io/oauth2/token?service=contoso.azurecr.io: 403 Forbidden",
        "Azure Container Registry",
        note="ACR answers 401 if a role is missing, 403 if network rules deny (or its key vault is unreachable)",
        hosts=_ACR,
    ),
    _rule(
        PullErrorCause.FIREWALL_DENIED,
        "firewall-public-registry-403",
        _status("403", "forbidden"),
        "unexpected status from HEAD request to https://mcr.microsoft.com/v2/oss/x/manifests/1: 403 Forbidden",
        "Microsoft Artifact Registry, registry.k8s.io",
        note="These registries use no credentials, so the 403 comes from something on the network path",
        hosts=_NO_LOGIN_NEEDED,
    ),
    _rule(
        PullErrorCause.FIREWALL_DENIED,
        "firewall-web-page-403",
        r"<html.{0,200}403 forbidden",
        "error parsing HTTP 403 response body: invalid character '<': \"<html><title>403 Forbidden</title>\"",
        "moby",
        note="Registries deny in JSON; a web page comes from a gateway in front of them",
    ),
    _rule(
        PullErrorCause.IMAGE_NOT_FOUND,
        "not-found-docker-hub",
        r"pull access denied\b(?!.{0,600}(?:incorrect|invalid))"
        r"|reading manifest .{0,600}requested access to the resource is denied",
        'pull access denied for contoso/wbe, repository does not exist or may require "docker login": denied',
        "Docker Hub",
        note="Docker Hub answers this for every unknown name; from other registries it means a missing permission",
        hosts=re.escape(DOCKER_HUB),
    ),
    _rule(
        PullErrorCause.UNAUTHORIZED,
        "denied-status",
        _status("401", "unauthorized") + "|" + _status("403", "forbidden"),
        "failed to authorize: failed to fetch anonymous token: unexpected status: 401 Unauthorized",
        "containerd, moby",
    ),
    _rule(
        PullErrorCause.UNAUTHORIZED,
        "denied-words",
        r"(?<![\w/.-])unauthori[sz]ed\b(?! to authorize)|authentication (?:is )?(?:required|failed|failure)"
        r"|unauthenticated|failed authentication|billing account"
        r"|\baccount (?:is )?(?:not (?:currently )?(?:active|enabled)|disabled|suspended|locked)"
        r"|(?<![\w/.-])denied: |access (?:is |was )?(?:denied|forbidden)|resource is denied|accessdenied"
        r"|insufficient[_ ]scope|authorization failed|not authori[sz]ed|authorizationpermissionmismatch"
        r"|no pull access|may require (?:authorization|'?docker login)|(?<![\w/.-])denied$|: forbidden\b",
        "pull access denied, repository does not exist or may require authorization: insufficient_scope",
        "distribution, containerd, moby",
    ),
    _rule(
        PullErrorCause.UNAUTHORIZED,
        "denied-credentials",
        r"(?:incorrect|invalid|wrong|bad) (?:user ?name|password|credentials?|token|client secret|login)"
        r"|permission \S{1,120} denied|permission[_ ]denied|needed permissions|\btoken (?:\w{1,20} ){0,5}invalid\b"
        r"|(?:insufficient|lacks?|required) permissions?"
        r"|does not have (?:the )?(?:\S{1,80} )?(?:permission|access)|login (?:failed|attempt)|aadsts\d{4,9}",
        "login at registry.contoso.example: incorrect username or password",
        "containers/image, Artifact Registry, Microsoft Entra",
    ),
    _rule(
        PullErrorCause.CORRUPT_OR_INTERRUPTED,
        "corrupt-content",
        r"failed size validation|unexpected commit (?:digest|size)|digest (?:did not|does not|mismatch|verification)"
        r"|verification failed for digest|layer verification failed|wrong (?:diff ?id|digest)|diff ?id"
        r"|checksum (?:mismatch|error)|invalid (?:tar header|checksum|header|compressed)|archive/tar|\bgzip: |\bzlib: "
        r"|\bflate: |corrupt input|\bcorrupt|magic number mismatch|(?:content digest|blob) \S{1,120} not found"
        r"|unexpected end of json|\bzstd: |reserved bit set"
        r"|does not match (?:the )?(?:expected |manifest )?(?:digest|checksum|size)"
        r"|parent snapshot \S{1,120} does not exist|missing parent \S{0,120} ?bucket",
        'failed commit on ref "layer-sha256:5f0c": unexpected commit digest sha256:77, expected sha256:5f0c',
        "containerd, Go archive/tar",
    ),
    _rule(
        PullErrorCause.CORRUPT_OR_INTERRUPTED,
        "interrupted-read",
        r"happened during read|(?:while|after) reconnecting",
        "writing blob: happened during read: unexpected EOF",
        "containers/image",
        note="Part of the layer had been transferred",
    ),
    _rule(
        PullErrorCause.CONNECT_REFUSED,
        "cut",
        r"\b(?:get|head|post) \"?https?://[^\s\"]{1,1000}\"?: (?:unexpected )?eof\b"
        r"|\b(?:get|head|post) \"?https?://[^\s\"]{1,1000}\"?: http: server closed idle connection",
        'failed to do request: Head "https://contoso.azurecr.io/v2/web/manifests/1": EOF',
        "Go net/http",
        note="Closed before the answer to a request: nothing was transferred, so nothing can be corrupt. A firewall or "
        "a proxy does this far more often than a registry",
    ),
    _rule(
        PullErrorCause.CORRUPT_OR_INTERRUPTED,
        "interrupted",
        r"unexpected eof|(?:^|: |\")eof(?=$|[\s,;.:)\]\"])|stream error: stream id|internal_error|goaway"
        r"|connection lost"
        r"|short read|\bhttp2: |server closed|transport is closing|connection (?:was )?closed|happened during read"
        r"|retry limit|download interrupted",
        "failed to copy: unexpected EOF",
        "Go io, net/http",
    ),
    _rule(
        PullErrorCause.UNKNOWN,
        "extraction-failed",
        r"failed to (?:extract|register|apply|unpack|commit) (?:layer|image|ref)|failed commit on ref|applylayer"
        r"|error processing tar file|importlayer|processbaselayer|hcsshim::"
        r"|failed to unpack\b|error (?:unpacking|extracting|applying)",
        "failed to extract layer sha256:5f0c: mount callback failed: exit status 1",
        "containerd, moby, hcsshim",
        note="Downloaded but not extracted: the layer's content, the node or a policy, the text does not show which",
    ),
    _rule(
        PullErrorCause.IMAGE_NOT_FOUND,
        "not-found-manifest",
        r"manifest[_ ]unknown|name[_ ]unknown|(?:repository )?name not known|blob[_ ]unknown|unknown blob"
        r"|manifest for \S{1,600} not found|could not fetch content descriptor|(?:was |been )deleted or has expired",
        "manifest for contoso/web:9 not found: manifest unknown: manifest tagged by 9 is not found",
        "distribution, Quay",
    ),
    _rule(
        PullErrorCause.IMAGE_NOT_FOUND,
        "not-found-status",
        _status("404", "not found") + "|" + _status("410", "gone"),
        "unexpected status code https://registry.contoso.example/v2/web/manifests/9: 404 Not Found",
        "containerd, containers/image",
    ),
    _rule(
        PullErrorCause.IMAGE_NOT_FOUND,
        "not-found-words",
        r"[:…\"] not found\b|(?:code ?= ?|rpc error: )notfound|does(?: not|n't) exist"
        r"|(?:could|can)(?: ?not|n't) be found|no such (?:image|manifest|repository|tag)|not[_ ]found\b(?! in \$)"
        r"|does not (?:use|have) \S{1,20} \S{1,128} tag\b",
        "failed to resolve reference: contoso.azurecr.io/web:9: not found",
        "containerd",
    ),
    _rule(
        PullErrorCause.REGISTRY_ERROR,
        "registry-unexpected-status",
        r"received unexpected http status|invalid character .{1,8} looking for|error parsing http|missing content-type"
        r"|bad request|method not allowed|precondition failed|unprocessable"
        r"|legal reasons|unable to decode|registry is unavailable|registryunavailable|content size of zero"
        r"|stopped after \d{1,3} redirects|failed with status code \[[^\]]{1,300}\]: [45]\d\d\b"
        r"|unexpected status(?: code)?(?: from [a-z]{1,10} request to)? https?://\S{1,300}: [45]\d\d\b"
        r"|" + _labelled(r"4\d\d"),
        "unexpected status from HEAD request to https://mirror.contoso.example/v2/web/manifests/9: 400 Bad Request",
        "containerd, moby",
        note="An unexpected answer to a pull; comes after the answers with a known meaning",
    ),
    _rule(
        PullErrorCause.BACKOFF_ONLY,
        "backoff",
        r"back-?off pulling|imagepullbackoff|imagepullfailure|persistent image pull errors|errimagepull"
        r"|trying and failing to pull image",
        'Back-off pulling image "contoso.azurecr.io/web:1"',
        "kubelet, Azure Container Apps",
        note="Shows that an earlier pull failed, but not why",
    ),
)

RULES: tuple[Rule, ...] = _NAMED + _NETWORK + _ANSWERED

# The cause that a reason alone shows, if the text is empty or shows none. An unlisted reason shows none.
REASONS: Mapping[str, PullErrorCause] = MappingProxyType(
    {
        "ErrImageNeverPull": PullErrorCause.POLICY,
        "SignatureValidationFailed": PullErrorCause.POLICY,
        "InvalidImageName": PullErrorCause.INVALID_REFERENCE,
        "RegistryUnavailable": PullErrorCause.REGISTRY_ERROR,
        "FailedToRetrieveImagePullSecret": PullErrorCause.CREDENTIALS_MISSING,
        "ErrImagePull": PullErrorCause.BACKOFF_ONLY,
        "ImagePullBackOff": PullErrorCause.BACKOFF_ONLY,
        "ImagePullFailure": PullErrorCause.BACKOFF_ONLY,
        "BackOff": PullErrorCause.BACKOFF_ONLY,
        "ImageInspectError": PullErrorCause.UNKNOWN,
        "CreateContainerError": PullErrorCause.UNKNOWN,
        "CreateContainerConfigError": PullErrorCause.UNKNOWN,
        "PreCreateHookError": PullErrorCause.UNKNOWN,
    }
)
