{{/* Inputs of a service: environment, files, command. */}}

{{/* The values of a workload: `workload`, overridden by the component's values that are not null, then by the candidate's. */}}
{{- define "lightrouter.workload" -}}
{{- $own := omit (get .root.Values .component | default dict) "settings" "service" -}}
{{- range $key, $value := $own }}{{ if kindIs "invalid" $value }}{{ $own = omit $own $key }}{{ end }}{{ end -}}
{{- $values := mergeOverwrite (deepCopy .root.Values.workload) (deepCopy $own) -}}
{{- with .candidate }}{{ with .adapter }}{{ $values = mergeOverwrite $values (deepCopy .) }}{{ end }}{{ end -}}
{{- toYaml $values -}}
{{- end -}}

{{/* Whether a component calls the cluster's API. */}}
{{- define "lightrouter.usesApi" -}}
{{- if eq .component "evaluator" }}true
{{- else if and (eq .component "router") (or (eq .root.Values.pool.source "kubernetes") .root.Values.auth.jwt.serviceAccounts) }}true{{ end -}}
{{- end -}}

{{/* What a component's pods run: the service of its name, or all services. */}}
{{- define "lightrouter.runs" -}}
{{ ternary "all" .component (and (eq .component "router") (ne .root.Values.topology "services")) }}
{{- end -}}

{{/* The candidates whose adapters run in a component's pods; each with the suffix of what belongs to its API key. */}}
{{- define "lightrouter.served" -}}
{{- $served := list -}}
{{- if eq (include "lightrouter.runs" .) "all" -}}
{{- range include "lightrouter.candidates" .root | fromJsonArray -}}
{{- if not .address }}{{ $served = append $served (merge (dict "suffix" (printf "-%s" .name)) .) }}{{ end -}}
{{- end -}}
{{- else -}}
{{- with .candidate }}{{ $served = append $served (merge (dict "suffix" "") .) }}{{ end -}}
{{- end -}}
{{- toJson $served -}}
{{- end -}}

{{/* The arguments of the image's entrypoint; no other template knows them. */}}
{{- define "lightrouter.args" -}}
[serve, {{ include "lightrouter.runs" . }}]
{{- end -}}

{{/* The settings of a component by name, in camelCase. */}}
{{- define "lightrouter.settings" -}}
{{- $values := .root.Values -}}
{{- $drain := .workload.drain -}}
{{- $common := ternary (omit $values.settings "maxMessageBytes" "maxBytesInFlight") $values.settings (eq .component "router") -}}
{{- $settings := merge (dict) ((get $values .component).settings | default dict) $common -}}
{{- $settings = merge (dict
    "listen" "[::]:50051"
    "drainDelaySeconds" $drain.delaySeconds
    "graceSeconds" $drain.graceSeconds) (omit $values.telemetry "resourceAttributes") $settings -}}
{{- if $values.tls.enabled -}}
{{- $settings = merge (dict
    "healthListen" "[::]:50052"
    "tlsCertFile" "/etc/lightrouter/tls/tls.crt"
    "tlsKeyFile" "/etc/lightrouter/tls/tls.key") $settings -}}
{{- if ternary $values.tls.callerCertificates $values.tls.mutual (eq .component "router") -}}
{{- $_ := set $settings "tlsClientCaFile" "/etc/lightrouter/tls/ca.crt" -}}
{{- end -}}
{{- if and $values.tls.mutual (ne .component "router") -}}
{{- $_ := set $settings "tlsAllowedIdentities" (include "lightrouter.identities" .) -}}
{{- end -}}
{{- if ne .component "adapter" -}}
{{- $_ := set $settings "tlsCaFile" "/etc/lightrouter/tls/ca.crt" -}}
{{- end -}}
{{- end -}}
{{- if has .component (list "selector" "aggregator") -}}
{{- $_ := set $settings "adapterAddress" (include "lightrouter.adapterAddresses" .root) -}}
{{- end -}}
{{- if eq .component "router" -}}
{{- $file := eq $values.pool.source "file" -}}
{{- $settings = merge (dict
    "poolSource" $values.pool.source
    "pool" (ternary "/etc/lightrouter/pool/pool.yaml" "" $file)
    "namespace" (ternary "" .root.Release.Namespace $file)
    "candidateSelector" (ternary "" (include "lightrouter.candidateSelector" .root) $file)
    "judge" (ternary "" $values.pool.judge $file)
    "synthesizer" (ternary "" $values.pool.synthesizer $file)
    "adapterAddress" (include "lightrouter.adapterAddress" (dict "root" .root "candidate" (dict "name" "{name}")))) $settings -}}
{{- if eq (include "lightrouter.runs" .) "all" -}}
{{- $settings = merge (dict "pool" "/etc/lightrouter/pool/all.yaml") $settings
    (omit $values.selector.settings "strategy") (omit $values.aggregator.settings "strategy" "agreement")
    (dict "draftAgreement" $values.aggregator.settings.agreement) -}}
{{- else -}}
{{- $settings = merge (dict
    "selectorAddress" (printf "dns:///%s:50051" (include "lightrouter.host" (dict "root" .root "component" "selector")))
    "aggregatorAddress" (printf "dns:///%s:50051" (include "lightrouter.host" (dict "root" .root "component" "aggregator")))) $settings -}}
{{- end -}}
{{- with $values.auth -}}
{{- if .tokens.secretName }}{{ $_ := set $settings "tokensFile" (printf "/etc/lightrouter/tokens/%s" .tokens.key) }}{{ end -}}
{{- $_ := set $settings "allowedCallers" (join "," .allowedCallers) -}}
{{- if .jwt.issuer -}}
{{- $_ := set $settings "jwtIssuer" .jwt.issuer -}}
{{- $_ := set $settings "jwtAudience" .jwt.audience -}}
{{- $_ := set $settings "jwtJwksUrl" .jwt.jwksUrl -}}
{{- if .jwt.jwksConfigMap }}{{ $_ := set $settings "jwtJwksFile" (printf "/etc/lightrouter/jwks/%s" .jwt.jwksKey) }}{{ end -}}
{{- if .jwt.serviceAccounts -}}
{{- $_ := set $settings "jwtJwksUrl" "https://kubernetes.default.svc/openid/v1/jwks" -}}
{{- $_ := set $settings "jwtJwksCaFile" "/var/run/secrets/kubernetes.io/serviceaccount/ca.crt" -}}
{{- $_ := set $settings "jwtJwksTokenFile" "/var/run/secrets/kubernetes.io/serviceaccount/token" -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- else if eq .component "adapter" -}}
{{- $settings = merge (dict "pool" "/etc/lightrouter/pool/pool.yaml" "candidate" .candidate.name) $settings -}}
{{- end -}}
{{- toYaml $settings -}}
{{- end -}}

{{/* The gRPC targets of the adapters that selector and aggregator call. */}}
{{- define "lightrouter.adapterAddresses" -}}
{{- $addresses := list (include "lightrouter.adapterAddress" (dict "root" . "candidate" (dict "name" "{name}"))) -}}
{{- range include "lightrouter.candidates" . | fromJsonArray }}{{ with .address }}{{ $addresses = append $addresses . }}{{ end }}{{ end -}}
{{- concat $addresses .Values.pool.adapterAddresses | uniq | join " " -}}
{{- end -}}

{{/*
The identities that a component other than the router serves. A certificate of cert-manager names one service; that
of a Secret is shared by all services and has the names by which they are called.
*/}}
{{- define "lightrouter.identities" -}}
{{- $issued := .root.Values.tls.certManager.enabled -}}
{{- $callers := list "router" "selector" "aggregator" "evaluator" -}}
{{- if and $issued (ne .component "adapter") }}{{ $callers = list "router" }}{{ end -}}
{{- $identities := list -}}
{{- range $callers -}}
{{- $host := printf "%s.%s.svc" (include "lightrouter.name" (dict "root" $.root "component" .)) $.root.Release.Namespace -}}
{{- $identities = append $identities (printf "%s.%s" $host $.root.Values.clusterDomain) -}}
{{- if not $issued }}{{ $identities = append $identities $host }}{{ end -}}
{{- end -}}
{{- concat $identities .root.Values.tls.identities | join "," -}}
{{- end -}}

{{/*
The environment of a component's container: the settings that have a value, what telemetry needs, the API key. A variable
of extraEnv takes the place of the chart's; OTEL_RESOURCE_ATTRIBUTES adds to it.
*/}}
{{- define "lightrouter.env" -}}
{{- $variables := list -}}
{{- $telemetry := .root.Values.telemetry -}}
{{- $settings := dict -}}
{{- if eq .component "evaluator" -}}
{{- $off := ternary "none" "" (eq ($telemetry.otlpMetricsEndpoint | default "") "off") -}}
{{- range $name, $value := dict "OTEL_EXPORTER_OTLP_ENDPOINT" $telemetry.otlpEndpoint "OTEL_EXPORTER_OTLP_PROTOCOL" $telemetry.otlpProtocol "OTEL_METRICS_EXPORTER" $off -}}
{{- if $value }}{{ $variables = append $variables (dict "name" $name "value" $value) }}{{ end -}}
{{- end -}}
{{- else }}{{ $settings = include "lightrouter.settings" . | fromYaml }}{{ end -}}
{{- range $name, $value := $settings -}}
{{- if not (or (kindIs "invalid" $value) (eq (toString $value) "")) -}}
{{- $name = printf "LIGHTROUTER_%s_%s" (include "lightrouter.runs" $ | upper) ($name | snakecase | upper) -}}
{{- $variables = append $variables (dict "name" $name "value" (ternary $value (toJson $value) (kindIs "string" $value))) -}}
{{- end -}}
{{- end -}}
{{- range $candidate := include "lightrouter.served" . | fromJsonArray }}{{ with .apiKey }}{{ if not (dig "mount" true .) -}}
{{- $key := dict "name" .secretName "key" (.key | default "api-key") -}}
{{- $name := include "lightrouter.apiKeyVariable" $candidate -}}
{{- $variables = append $variables (dict "name" $name "valueFrom" (dict "secretKeyRef" $key)) -}}
{{- end }}{{ end }}{{ end -}}
{{- $given := dict -}}
{{- range .workload.extraEnv }}{{ $_ := set $given .name . }}{{ end -}}
{{- $last := list -}}
{{- $otel := or $telemetry.otlpEndpoint (hasPrefix "http" ($telemetry.otlpMetricsEndpoint | default "")) -}}
{{- range $name := keys $given }}{{ if hasPrefix "OTEL_EXPORTER_" $name }}{{ $otel = true }}{{ end }}{{ end -}}
{{- if $otel -}}
{{- $pod := dict "POD_NAME" "metadata.name" "NODE_NAME" "spec.nodeName" -}}
{{- range $name, $path := $pod -}}
{{- $variables = append $variables (dict "name" $name "valueFrom" (dict "fieldRef" (dict "fieldPath" $path))) -}}
{{- end -}}
{{- $attributes := list "k8s.pod.name=$(POD_NAME)" "k8s.node.name=$(NODE_NAME)"
    (printf "k8s.namespace.name=%s" .root.Release.Namespace) (printf "service.namespace=%s" .root.Release.Namespace) -}}
{{- range $key, $value := $telemetry.resourceAttributes }}{{ $attributes = append $attributes (printf "%s=%s" $key $value) }}{{ end -}}
{{- with get $given "OTEL_RESOURCE_ATTRIBUTES" -}}
{{- $_ := set $given .name (merge (dict "name" "EXTRA_RESOURCE_ATTRIBUTES") .) -}}
{{- $attributes = append $attributes "$(EXTRA_RESOURCE_ATTRIBUTES)" -}}
{{- end -}}
{{- $last = list (dict "name" "OTEL_RESOURCE_ATTRIBUTES" "value" (join "," $attributes)) -}}
{{- end -}}
{{- $kept := list -}}
{{- range $variables }}{{ if not (hasKey $given .name) }}{{ $kept = append $kept . }}{{ end }}{{ end -}}
{{- range .workload.extraEnv }}{{ $kept = append $kept (get $given .name) }}{{ end -}}
{{- /* A variable may only name those before it. */ -}}
{{- concat $kept $last | toYaml -}}
{{- end -}}

{{/* The files of a component's pod: name, mount path and the volume's source. */}}
{{- define "lightrouter.files" -}}
{{- $values := .root.Values -}}
{{- if $values.tls.enabled }}
- name: tls
  source:
    secret: {secretName: {{ include "lightrouter.tlsSecret" . }}, defaultMode: 0440}
{{- end }}
{{- $runs := include "lightrouter.runs" . }}
{{- if or (has $runs (list "adapter" "all")) (and (eq $runs "router") (eq $values.pool.source "file")) }}
- name: pool
  source:
    configMap: {name: {{ include "lightrouter.fullname" .root }}-pool}
{{- end }}
{{- range $candidate := include "lightrouter.served" . | fromJsonArray }}{{ with .apiKey }}{{ if dig "mount" true . }}
- name: api-key{{ $candidate.suffix }}
  source:
    secret:
      secretName: {{ .secretName }}
      defaultMode: 0440
      items: [{key: {{ .key | default "api-key" }}, path: api-key}]
{{- end }}{{ end }}{{ end }}
{{- if eq .component "router" }}
{{- with $values.auth.tokens.secretName }}
- name: tokens
  source:
    secret: {secretName: {{ . }}, defaultMode: 0440}
{{- end }}
{{- with $values.auth.jwt.jwksConfigMap }}
- name: jwks
  source:
    configMap: {name: {{ . }}}
{{- end }}
{{- end }}
{{- end -}}

{{/* The variable of a candidate's API key. */}}
{{- define "lightrouter.apiKeyVariable" -}}
CANDIDATE_API_KEY{{ .suffix | replace "-" "_" | upper }}
{{- end -}}

{{/*
A candidate's entry in a pool file: keys in the file's spelling, where the API key is, and the adapter's address, without
which the adapter is in the process that reads the file. Takes the candidate, the suffix of its key, and the address.
*/}}
{{- define "lightrouter.poolEntry" -}}
{{- $entry := dict -}}
{{- with .address }}{{ $_ := set $entry "address" . }}{{ end -}}
{{- range $key, $value := omit .candidate "adapter" "apiKey" "address" -}}
{{- if has $key (list "sampling" "limits" "circuit" "prices") -}}
{{- $section := dict -}}
{{- range $inner, $item := $value }}{{ $_ := set $section (snakecase $inner) (ternary (toString $item) $item (eq $key "prices")) }}{{ end -}}
{{- $value = $section -}}
{{- end -}}
{{- $_ := set $entry (snakecase $key) $value -}}
{{- end -}}
{{- with .candidate.apiKey -}}
{{- if dig "mount" true . -}}
{{- $_ := set $entry "api_key_file" (printf "/etc/lightrouter/api-key%s/api-key" $.suffix) -}}
{{- else -}}
{{- $_ := set $entry "api_key_env" (include "lightrouter.apiKeyVariable" $) -}}
{{- end -}}
{{- end -}}
{{- toYaml $entry -}}
{{- end -}}
