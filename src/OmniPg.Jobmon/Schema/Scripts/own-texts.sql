-- Only on the first installation: texts that an administrator edited or removed stay as they are.
INSERT INTO @schema@.job_status_text (alert_code, alert_text)
SELECT d.code, d.label
FROM (VALUES (1, 'OK'), (2, 'WARNING'), (3, 'CRITICAL')) AS d (code, label)
WHERE NOT EXISTS (SELECT FROM @schema@.job_status_text);
