namespace OmniPg.Jobmon;

/// <summary>The least rights for each kind of access: what scripts give and what refusals name.</summary>
internal static class JobmonRights
{
    private static readonly JobmonGrant[] All =
    [
        Log(JobmonAccess.Read, "SELECT", "job_log", "job_detail", "job_check_log", "job_check_config", "job_status_text"),
        Side(JobmonAccess.Read, "SELECT", "schema_version", "session", "run", "step", "check_rule"),
        // A repeated write of lines changes nothing, and ON CONFLICT reads what is there.
        Side(JobmonAccess.Read, "SELECT", "log_line") with { UsedFrom = JobmonAccess.Write },
        Side(JobmonAccess.Read, "SELECT", "acknowledgement") with { UsedFrom = null },

        Log(JobmonAccess.Write, "INSERT, UPDATE", "job_log", "job_detail"),
        Log(JobmonAccess.Write, "USAGE", "job_log_job_id_seq", "job_detail_step_id_seq") with { Sequences = true },
        Side(JobmonAccess.Write, "INSERT, UPDATE", "session", "run", "step"),
        Side(JobmonAccess.Write, "INSERT", "log_line"),
        // The extension's triggers write the check log with the rights of whoever logs; those of own mode have the rights of their owner.
        Log(JobmonAccess.Write, "INSERT, DELETE", "job_check_log") with { Only = JobmonMode.Extension },

        Log(JobmonAccess.Manage, "DELETE", "job_log"),
        Log(JobmonAccess.Manage, "DELETE", "job_check_log") with { Only = JobmonMode.Own },
        Log(JobmonAccess.Manage, "INSERT, UPDATE", "job_check_config", "job_status_text"),
        Side(JobmonAccess.Manage, "INSERT, UPDATE", "check_rule"),
        Side(JobmonAccess.Manage, "INSERT", "acknowledgement"),
        Side(JobmonAccess.Manage, "DELETE", "session"),
        // A trigger of own mode takes the side rows of a purged run along; the extension's tables have no such trigger.
        Side(JobmonAccess.Manage, "DELETE", "run", "step", "log_line") with { Only = JobmonMode.Extension },
        // No method removes a rule, only turns it off: removing it is for people.
        Log(JobmonAccess.Manage, "DELETE", "job_check_config") with { UsedFrom = null },
        Side(JobmonAccess.Manage, "DELETE", "check_rule") with { UsedFrom = null },
    ];

    /// <summary>What a role with this access gets; where nothing is installed yet, what own mode will ask for.</summary>
    public static IEnumerable<JobmonGrant> Given(JobmonMode mode, JobmonAccess access) => All.Where(grant => grant.Access <= access && IsIn(grant, mode));

    /// <summary>What the package itself needs for work of this kind.</summary>
    public static IEnumerable<JobmonGrant> Used(JobmonMode mode, JobmonAccess access) => All.Where(grant => grant.UsedFrom <= access && IsIn(grant, mode));

    private static bool IsIn(JobmonGrant grant, JobmonMode mode) =>
        grant.Only is not { } only || (only == JobmonMode.Extension) == (mode == JobmonMode.Extension);

    private static JobmonGrant Log(JobmonAccess access, string privileges, params string[] relations) => new(access, false, privileges.Split(", "), relations);

    private static JobmonGrant Side(JobmonAccess access, string privileges, params string[] relations) => new(access, true, privileges.Split(", "), relations);
}
