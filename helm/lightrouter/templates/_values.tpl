{{/*
Adds the defaults of values.yaml that are not there: after `helm upgrade --reuse-values` the values are those of the
older release. Every template begins with it. It looks at the chart's own mappings only: a key that is null within a
mapping of another's type, like resources.limits, is left out on purpose.
*/}}
{{- define "lightrouter.complete" -}}
{{- range $path, $default := .Files.Get "defaults.json" | fromJson -}}
{{- $place := $.Values -}}
{{- $keys := splitList "." $path -}}
{{- range initial $keys -}}
{{- if not (kindIs "map" (index $place .)) }}{{ $_ := set $place . dict }}{{ end -}}
{{- $place = index $place . -}}
{{- end -}}
{{- if kindIs "invalid" (index $place (last $keys)) }}{{ $_ := set $place (last $keys) $default }}{{ end -}}
{{- end -}}
{{- end -}}

{{/* The candidates as a list, each with its name, also where the values have them by name. */}}
{{- define "lightrouter.candidates" -}}
{{- $candidates := list -}}
{{- if kindIs "map" .Values.candidates -}}
{{- range $name, $candidate := .Values.candidates -}}
{{- with $candidate }}{{ $candidates = append $candidates (merge (deepCopy .) (dict "name" $name)) }}{{ end -}}
{{- end -}}
{{- else -}}
{{- range .Values.candidates }}{{ with . }}{{ $candidates = append $candidates . }}{{ end }}{{ end -}}
{{- end -}}
{{- toJson $candidates -}}
{{- end -}}

{{/* The label selector of the Candidate resources that router and evaluator use. */}}
{{- define "lightrouter.candidateSelector" -}}
{{- if kindIs "invalid" .Values.pool.selector -}}
lightrouter.dev/router={{ include "lightrouter.fullname" . }}
{{- else -}}
{{ .Values.pool.selector }}
{{- end -}}
{{- end -}}

{{/*
The name of a candidate's resource. Up to chart 0.1 it was the candidate's; a resource that still has it keeps it, since
another one would begin without its status.
*/}}
{{- define "lightrouter.candidateResource" -}}
{{- $old := lookup "lightrouter.dev/v1alpha1" "Candidate" .root.Release.Namespace .candidate.name | default dict -}}
{{- if eq (dig "metadata" "annotations" "meta.helm.sh/release-name" "" $old) .root.Release.Name -}}
{{ .candidate.name }}
{{- else -}}
{{ include "lightrouter.fullname" .root }}-{{ .candidate.name }}
{{- end -}}
{{- end -}}
