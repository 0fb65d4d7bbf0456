{{- define "polypod.settings" -}}
{{- $found := dict "logLevel" .Values.logLevel "namespaceIsolation" .Values.namespaceIsolation -}}
{{- $_ := set $found "globalNamespaces" .Values.globalNamespaces -}}
{{- $_ := set $found "binDir" .Values.cniBinDir -}}
{{- range $key, $value := .Values.config -}}
{{- $_ := set $found $key $value -}}
{{- end -}}
{{- toYaml $found -}}
{{- end -}}
