{{- /* The labels that every object has. */ -}}
{{- define "gauntlet.labels" -}}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version | replace "+" "_" }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
app.kubernetes.io/part-of: gauntlet
{{ include "gauntlet.selector" . }}
{{- end -}}

{{- /* The labels of all workers, by which deploy/chaos-mesh selects them. */ -}}
{{- define "gauntlet.selector" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: worker
{{- end -}}

{{- /* The name of what belongs to all of a release: its own, once. */ -}}
{{- define "gauntlet.name" -}}
{{- if eq .Release.Name .Chart.Name -}}
{{ .Chart.Name }}
{{- else -}}
{{ printf "%s-%s" .Release.Name .Chart.Name | trunc 30 | trimSuffix "-" }}
{{- end -}}
{{- end -}}

{{- /* Refuses values that the schema cannot judge: each in one line. */ -}}
{{- define "gauntlet.check" -}}
{{- $played := list -}}
{{- range $name, $one := .Values.deployments -}}
{{- $played = concat $played $one.roles -}}
{{- if and (has "unified" $one.roles) (gt (len $one.roles) 1) -}}
{{- fail (printf "deployments.%s.roles: unified is all roles, and stands alone" $name) -}}
{{- end -}}
{{- with $one.autoscaling -}}
{{- if and .enabled (gt (int (.minReplicas | default 1)) (int .maxReplicas)) -}}
{{- fail (printf "deployments.%s.autoscaling: minReplicas %v is above maxReplicas %v" $name .minReplicas .maxReplicas) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- if not (has "unified" $played) -}}
{{- range $role := list "scanner" "controller" "worker" "reaper" "merger" "janitor" -}}
{{- if not (has $role $played) -}}
{{- fail (printf "deployments: nobody plays the role %s, and no batch ever ends" $role) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
