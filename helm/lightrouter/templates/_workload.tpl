{{/* Templates that all components share. Each takes root, component, and for an adapter the candidate. */}}

{{/* The resources that every component has. */}}
{{- define "lightrouter.component" -}}
{{- $context := merge (dict "workload" (include "lightrouter.workload" . | fromYaml)) . }}
---
{{ include "lightrouter.deployment" $context }}
---
{{ include "lightrouter.headlessService" $context }}
{{- with include "lightrouter.disruptionBudget" $context }}
---
{{ . }}
{{- end }}
{{- if $context.workload.autoscaling.keda.enabled }}
---
{{ include "lightrouter.scaledObject" $context }}
{{- else if $context.workload.autoscaling.enabled }}
---
{{ include "lightrouter.autoscaler" $context }}
{{- end }}
{{- end -}}

{{/* OpenShift gives each namespace ids of its own and refuses others, so the chart's own ids are left out there. */}}
{{- define "lightrouter.podSecurityContext" -}}
{{- $context := .workload.podSecurityContext -}}
{{- if .root.Capabilities.APIVersions.Has "security.openshift.io/v1" -}}
{{- $default := index (.root.Files.Get "defaults.json" | fromJson) "workload.podSecurityContext" -}}
{{- range list "runAsUser" "runAsGroup" "fsGroup" -}}
{{- if eq (toString (index $context .)) (toString (index $default .)) }}{{ $context = omit $context . }}{{ end -}}
{{- end -}}
{{- end -}}
{{- toYaml $context -}}
{{- end -}}

{{/* What every pod's spec has. Takes root, component and workload. */}}
{{- define "lightrouter.pod" -}}
serviceAccountName: {{ include "lightrouter.serviceAccount" . }}
{{- /* Service variables of names like lightrouter-... would look like settings, and services refuse unknown ones. */}}
enableServiceLinks: false
{{- $secrets := .root.Values.image.pullSecrets }}
{{- range .root.Values.global.imagePullSecrets }}
{{- $secrets = append $secrets (ternary (dict "name" .) . (kindIs "string" .)) }}
{{- end }}
{{- with uniq $secrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with include "lightrouter.podSecurityContext" . | fromYaml }}
securityContext:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- $keys := list "priorityClassName" "runtimeClassName" "nodeSelector" "affinity" "tolerations" "dnsConfig" "hostAliases" "schedulerName" }}
{{- range $key := $keys }}{{ with index $.workload $key }}
{{ dict $key . | toYaml }}
{{- end }}{{ end }}
{{- end -}}

{{/* The metadata of every pod that serves or evaluates. */}}
{{- define "lightrouter.podMetadata" -}}
labels:
  {{- include "lightrouter.podLabels" . | nindent 2 }}
  {{- with .workload.podLabels }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- with .workload.podAnnotations }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{- define "lightrouter.deployment" -}}
{{- $workload := .workload -}}
{{- $files := include "lightrouter.files" . | fromYamlArray -}}
apiVersion: apps/v1
kind: Deployment
metadata:
  {{- include "lightrouter.metadata" (merge (dict "annotations" $workload.annotations) .) | nindent 2 }}
spec:
  {{- if not (or $workload.autoscaling.enabled $workload.autoscaling.keda.enabled) }}
  replicas: {{ $workload.replicas }}
  {{- end }}
  revisionHistoryLimit: {{ $workload.rollout.revisionHistoryLimit }}
  minReadySeconds: {{ $workload.rollout.minReadySeconds }}
  strategy:
    type: RollingUpdate
    rollingUpdate:
      maxUnavailable: 0
      maxSurge: {{ $workload.rollout.maxSurge }}
  selector:
    matchLabels:
      {{- include "lightrouter.selectorLabels" . | nindent 6 }}
  template:
    metadata:
      {{- include "lightrouter.podMetadata" . | nindent 6 }}
    spec:
      {{- include "lightrouter.pod" . | nindent 6 }}
      automountServiceAccountToken: {{ include "lightrouter.usesApi" . | default "false" }}
      {{- with $workload.drain }}
      terminationGracePeriodSeconds: {{ add .preStopSeconds .delaySeconds .graceSeconds 5 }}
      {{- end }}
      {{- with $workload.initContainers }}
      initContainers:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      containers:
        - name: {{ .component }}
          image: {{ include "lightrouter.image" (dict "root" .root "image" .root.Values.image) | quote }}
          imagePullPolicy: {{ .root.Values.image.pullPolicy }}
          args: {{ include "lightrouter.args" . }}
          env:
            {{- include "lightrouter.env" . | trim | nindent 12 }}
          ports:
            - {name: grpc, containerPort: 50051}
            {{- if .root.Values.tls.enabled }}
            - {name: health, containerPort: 50052}
            {{- end }}
          {{- $port := ternary 50052 50051 .root.Values.tls.enabled }}
          {{- range $probe := list "startup" "readiness" "liveness" }}
          {{ $probe }}Probe:
            grpc: {port: {{ $port }}}
            {{- toYaml (get $workload.probes $probe) | nindent 12 }}
          {{- end }}
          {{- with $workload.drain.preStopSeconds }}
          lifecycle:
            preStop:
              sleep: {seconds: {{ . }}}
          {{- end }}
          resources:
            {{- toYaml $workload.resources | nindent 12 }}
          {{- with $workload.securityContext }}
          securityContext:
            {{- toYaml . | nindent 12 }}
          {{- end }}
          {{- if or $files $workload.extraVolumeMounts }}
          volumeMounts:
            {{- range $files }}
            - {name: {{ .name }}, mountPath: /etc/lightrouter/{{ .name }}, readOnly: true}
            {{- end }}
            {{- with $workload.extraVolumeMounts }}
            {{- toYaml . | nindent 12 }}
            {{- end }}
          {{- end }}
        {{- with $workload.extraContainers }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
      {{- if or $files $workload.extraVolumes }}
      volumes:
        {{- range $files }}
        - name: {{ .name }}
          {{- toYaml .source | nindent 10 }}
        {{- end }}
        {{- with $workload.extraVolumes }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
      {{- end }}
      {{- $context := . }}
      {{- with $workload.topologySpread }}
      topologySpreadConstraints:
        {{- range . }}
        - topologyKey: {{ .topologyKey }}
          maxSkew: {{ .maxSkew | default 1 }}
          whenUnsatisfiable: {{ .whenUnsatisfiable | default "ScheduleAnyway" }}
          labelSelector:
            matchLabels:
              {{- include "lightrouter.selectorLabels" $context | nindent 14 }}
          matchLabelKeys: [pod-template-hash]
        {{- end }}
      {{- end }}
{{- end -}}

{{/* The headless Service, whose name resolves to every ready pod: gRPC clients balance over them. */}}
{{- define "lightrouter.headlessService" -}}
{{- $suffix := ternary "headless" "" (eq .component "router") -}}
apiVersion: v1
kind: Service
metadata:
  {{- include "lightrouter.metadata" (merge (dict "suffix" $suffix "annotations" .workload.serviceAnnotations) .) | nindent 2 }}
spec:
  clusterIP: None
  selector:
    {{- include "lightrouter.selectorLabels" . | nindent 4 }}
  ports:
    {{- include "lightrouter.servicePort" (dict "root" .root "port" 50051) | nindent 4 }}
{{- end -}}

{{- define "lightrouter.servicePort" -}}
- name: grpc
  port: {{ .port }}
  targetPort: grpc
  appProtocol: {{ ternary "https" "kubernetes.io/h2c" .root.Values.tls.enabled }}
  {{- with .nodePort }}
  nodePort: {{ . }}
  {{- end }}
{{- end -}}

{{- define "lightrouter.disruptionBudget" -}}
{{- $scaling := .workload.autoscaling -}}
{{- $most := ternary $scaling.maxReplicas .workload.replicas (or $scaling.enabled $scaling.keda.enabled) -}}
{{- if and .workload.podDisruptionBudget.enabled (gt (int $most) 1) -}}
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata:
  {{- include "lightrouter.metadata" . | nindent 2 }}
spec:
  maxUnavailable: {{ .workload.podDisruptionBudget.maxUnavailable }}
  {{- /* A pod that is not ready serves nobody, so it must not block a drain. */}}
  unhealthyPodEvictionPolicy: AlwaysAllow
  selector:
    matchLabels:
      {{- include "lightrouter.selectorLabels" . | nindent 6 }}
{{- end -}}
{{- end -}}

{{- define "lightrouter.autoscaler" -}}
{{- $scaling := .workload.autoscaling -}}
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata:
  {{- include "lightrouter.metadata" . | nindent 2 }}
spec:
  scaleTargetRef:
    apiVersion: apps/v1
    kind: Deployment
    name: {{ include "lightrouter.name" . }}
  minReplicas: {{ $scaling.minReplicas }}
  maxReplicas: {{ $scaling.maxReplicas }}
  metrics:
    {{- with $scaling.targetCPUUtilizationPercentage }}
    - type: Resource
      resource:
        name: cpu
        target: {type: Utilization, averageUtilization: {{ . }}}
    {{- end }}
    {{- with $scaling.metrics }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  behavior:
    {{- toYaml $scaling.behavior | nindent 4 }}
{{- end -}}

{{- define "lightrouter.scaledObject" -}}
{{- $scaling := .workload.autoscaling -}}
{{- $service := printf "lightrouter-%s%s" .component (ternary (printf "-%s" (dig "name" "" (.candidate | default dict))) "" (eq .component "adapter")) -}}
{{- if eq (include "lightrouter.runs" .) "all" }}{{ $service = "lightrouter" }}{{ end -}}
apiVersion: keda.sh/v1alpha1
kind: ScaledObject
metadata:
  {{- include "lightrouter.metadata" . | nindent 2 }}
spec:
  scaleTargetRef:
    name: {{ include "lightrouter.name" . }}
  minReplicaCount: {{ $scaling.minReplicas }}
  maxReplicaCount: {{ $scaling.maxReplicas }}
  pollingInterval: {{ $scaling.keda.pollingInterval }}
  fallback:
    failureThreshold: 3
    replicas: {{ $scaling.keda.fallbackReplicas }}
  advanced:
    horizontalPodAutoscalerConfig:
      behavior:
        {{- toYaml $scaling.behavior | nindent 8 }}
  triggers:
    - type: prometheus
      metricType: AverageValue
      metadata:
        serverAddress: {{ $scaling.keda.serverAddress | quote }}
        query: {{ $scaling.keda.query | replace "{namespace}" .root.Release.Namespace | replace "{service}" $service | quote }}
        threshold: {{ $scaling.keda.threshold | toJson | quote }}
      {{- with $scaling.keda.authenticationRef }}
      authenticationRef:
        name: {{ . }}
      {{- end }}
{{- end -}}
