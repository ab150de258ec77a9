{{/* Names and labels. */}}

{{- define "lightrouter.fullname" -}}
{{- $name := default .Chart.Name .Values.nameOverride -}}
{{- $full := ternary .Release.Name (printf "%s-%s" .Release.Name $name) (contains $name .Release.Name) -}}
{{- default $full .Values.fullnameOverride | trunc 40 | trimSuffix "-" -}}
{{- end -}}

{{/* The components that run services, as a list. */}}
{{- define "lightrouter.components" -}}
{{- $all := list "router" "selector" "aggregator" "adapter" -}}
{{- ternary (list "router") $all (eq .Values.topology "single") | toJson -}}
{{- end -}}

{{/* The name of a component's resources. Takes root, component, and for an adapter the candidate. */}}
{{- define "lightrouter.name" -}}
{{- printf "%s-%s" (include "lightrouter.fullname" .root) .component -}}
{{- with .candidate }}-{{ .name }}{{ end -}}
{{- end -}}

{{- define "lightrouter.selectorLabels" -}}
app.kubernetes.io/name: {{ .root.Chart.Name }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .component }}
{{- with .candidate }}
lightrouter.dev/candidate: {{ .name | quote }}
{{- end }}
{{- end -}}

{{- define "lightrouter.labels" -}}
{{ include "lightrouter.selectorLabels" . }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
app.kubernetes.io/part-of: lightrouter
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version | replace "+" "_" }}
{{- with .root.Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* The labels of a component's pods: none that only a new version of the chart would change. */}}
{{- define "lightrouter.podLabels" -}}
{{ include "lightrouter.selectorLabels" . }}
app.kubernetes.io/part-of: lightrouter
{{- with .root.Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* The metadata of a component's resource. Also takes name, suffix, labels and annotations. */}}
{{- define "lightrouter.metadata" -}}
name: {{ .name | default (include "lightrouter.name" .) }}{{ with .suffix }}-{{ . }}{{ end }}
namespace: {{ .root.Release.Namespace }}
labels:
  {{- include "lightrouter.labels" . | nindent 2 }}
  {{- with .labels }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- with merge (dict) (.annotations | default dict) .root.Values.commonAnnotations }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{/* The DNS name of a component's headless Service. */}}
{{- define "lightrouter.host" -}}
{{ include "lightrouter.name" . }}{{ if eq .component "router" }}-headless{{ end }}.{{ .root.Release.Namespace }}.svc.{{ .root.Values.clusterDomain }}
{{- end -}}

{{/* The gRPC target of a candidate's adapter. */}}
{{- define "lightrouter.adapterAddress" -}}
{{- if .candidate.address -}}
{{ .candidate.address }}
{{- else -}}
dns:///{{ include "lightrouter.host" (merge (dict "component" "adapter") .) }}:50051
{{- end -}}
{{- end -}}

{{/* The ServiceAccount of a component; adapters share one unless a candidate's names another. */}}
{{- define "lightrouter.serviceAccount" -}}
{{- with (include "lightrouter.workload" . | fromYaml).serviceAccount -}}
{{- .name | default (ternary (include "lightrouter.name" (dict "root" $.root "component" $.component)) "default" .create) -}}
{{- end -}}
{{- end -}}

{{/* An image: `image` is its values; the tag, where they have none, that of the chart. */}}
{{- define "lightrouter.image" -}}
{{- $repository := .image.repository -}}
{{- with .root.Values.global.imageRegistry -}}
{{- $repository = printf "%s/%s" (trimSuffix "/" .) (regexReplaceAll "^([^/]*[.:][^/]*|localhost)/" $repository "") -}}
{{- end -}}
{{ $repository }}{{ if .image.digest }}@{{ .image.digest }}{{ else }}:{{ .image.tag | default .root.Chart.AppVersion }}{{ end }}
{{- end -}}

{{/* The Secret with a component's certificate. */}}
{{- define "lightrouter.tlsSecret" -}}
{{- if .root.Values.tls.certManager.enabled -}}
{{ include "lightrouter.name" (dict "root" .root "component" .component) }}-tls
{{- else -}}
{{ .root.Values.tls.secretName }}
{{- end -}}
{{- end -}}

{{/* The port of a URL. */}}
{{- define "lightrouter.urlPort" -}}
{{- $authority := regexFind "^https?://[^/]+" . -}}
{{- $port := regexFind ":[0-9]+$" $authority | trimPrefix ":" -}}
{{- $port | default (ternary "443" "80" (hasPrefix "https" .)) -}}
{{- end -}}
