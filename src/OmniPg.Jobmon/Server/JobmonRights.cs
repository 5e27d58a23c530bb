using Npgsql;
namespace OmniPg.Jobmon;

/// <summary>The least rights for each kind of access: what scripts give and what refusals name.</summary>
internal static class JobmonRights
{
    private const string FunctionKind = "FUNCTION ";

    private static readonly Grant[] All =
    [
        Log(JobmonAccess.Read, "SELECT", "job_log", "job_detail", "job_check_log", "job_check_config", "job_status_text"),
        Side(JobmonAccess.Read, "SELECT", "schema_version", "session", "run", "step", "check_rule"),
        // A repeated write of lines changes nothing, and ON CONFLICT reads what is there.
        Side(JobmonAccess.Read, "SELECT", "log_line") with { UsedFrom = JobmonAccess.Write },
        Side(JobmonAccess.Read, "SELECT", "acknowledgement") with { UsedFrom = null },

        Log(JobmonAccess.Write, "INSERT, UPDATE", "job_log", "job_detail"),
        Log(JobmonAccess.Write, "USAGE", "job_log_job_id_seq", "job_detail_step_id_seq") with { Kind = "SEQUENCE " },
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

        // The client asks the catalogue and the tables themselves; what it calls stands apart from what only SQL calls.
        Functions(JobmonAccess.Read, false, "_dblink_probe()"),
        Functions(JobmonAccess.Read, true, "session_is_live(uuid,interval)"),
        Functions(JobmonAccess.Read, false, "omnipg_jobmon_version()", "_is_live(bigint,integer,timestamp with time zone,boolean)", "show_job(text,integer)",
            "show_job_like(text,integer)", "show_job_status(text,integer)", "show_job_status(text,text,integer)", "show_detail(bigint)", "show_detail(text,integer)",
            "show_running(integer)", "check_job_status(interval)", "check_job_status()") with { UsedFrom = null },

        Functions(JobmonAccess.Write, true, "request_cancel(bigint,text)", "reap_dead_jobs(interval,boolean)"),
        Functions(JobmonAccess.Write, false, "_autonomous_add_job(text,text,integer)", "_autonomous_add_step(bigint,text)",
            "_autonomous_update_step(bigint,text,text)", "_autonomous_fail_job(bigint,integer)") with { UsedFrom = JobmonAccess.Manage },
        Functions(JobmonAccess.Write, false, "_autonomous_close_job(bigint)", "_lent_add_step(text,bigint,text)", "_lent_update_step(text,bigint,text,text)",
            "_lent_fail_job(text,bigint,integer)", "_is_owner(text,text)", "_dblink_add_job(text,text)", "_dblink_add_step(bigint,text)",
            "_dblink_update_step(bigint,text,text)", "_dblink_fail_job(bigint,integer)", "_sql_autonomy(text)", "_can_write(text)", "_refuse_foreign(text,text)",
            "_end_job(text,bigint,integer)", "add_job(text)", "add_step(bigint,text)", "update_step(bigint,text,text)", "close_job(bigint)",
            "fail_job(bigint,integer)", "cancel_job(bigint)", "sql_job(text,text)", "sql_step(bigint,text,text)") with { UsedFrom = null },

        Functions(JobmonAccess.Manage, false, "job_log_clear(interval)", "auth()") with { UsedFrom = null },
    ];

    // Called by triggers and by functions with the rights of the owner, so nobody else needs the right to.
    private static readonly string[] OfTheOwner =
    [
        "_dblink_conninfo(boolean)", "_dblink_run(text)", "job_monitor()", "job_check_log_escalate_trig()", "dblink_limit_trig()", "_sweep_side_rows()",
    ];

    /// <summary>What a role with this access gets; where nothing is installed yet, what own mode will ask for.</summary>
    public static IEnumerable<Grant> Given(JobmonMode mode, JobmonAccess access) => All.Where(grant => grant.Access <= access && IsIn(grant, mode));

    /// <summary>What the package itself needs for work of this kind.</summary>
    public static IEnumerable<Grant> Used(JobmonMode mode, JobmonAccess access) => All.Where(grant => grant.UsedFrom <= access && IsIn(grant, mode));

    /// <summary>The script that gives a role what it needs for this access.</summary>
    public static string Script(PgIdentifier role, JobmonAccess access, JobmonMode mode, PgIdentifier schema, PgIdentifier side) => Enum.IsDefined(access)
        ? Privileges.Script(role, [schema, side], Given(mode, access).Select(grant => grant.In(schema, side)))
        : throw new ArgumentOutOfRangeException(nameof(access), access, "Access is Read, Write or Manage.");

    /// <summary>
    /// Rows of SQL, <c>(function, privilege on the tables)</c>, for all functions of a schema: whoever had that privilege when everybody could still
    /// execute the functions keeps them.
    /// </summary>
    public static string FunctionRows(bool side)
    {
        var given = from grant in All
                    where grant.Kind == FunctionKind && grant.Side == side
                    from function in grant.Objects
                    select $"('{function}', '{grant.Access switch { JobmonAccess.Read => "SELECT", JobmonAccess.Write => "INSERT", _ => "DELETE" }}')";
        return string.Join(",\n        ", given.Concat(side ? [] : OfTheOwner.Select(function => $"('{function}', NULL)")));
    }

    /// <summary>The exception for a refusal with SQLSTATE 42501: names the first missing right, and grants all that are missing.</summary>
    /// <remarks>
    /// Asked on a fresh connection, because the one that was refused may be inside an aborted transaction. An operation is called <c>manage…</c>,
    /// <c>write…</c> or anything else for reading.
    /// </remarks>
    public static async ValueTask<JobmonPermissionException> ExplainAsync(
        bool async, NpgsqlDataSource dataSource, JobmonServer server, string operation, PostgresException refusal, CancellationToken cancellationToken)
    {
        var access = operation.StartsWith("manage", StringComparison.Ordinal) ? JobmonAccess.Manage
            : operation.StartsWith("write", StringComparison.Ordinal) ? JobmonAccess.Write : JobmonAccess.Read;
        var lacking = await Privileges.MissingAsync(
            async, dataSource, [server.Schema, server.SideSchema],
            Used(server.Mode, access).Select(grant => grant.In(server.Schema, server.SideSchema)), cancellationToken).ConfigureAwait(false);
        // Only the log itself may go through the functions; history and administration never do.
        var functionsFailed = server.ByFunctions && operation == "write";
        return lacking is [var first, ..]
            ? new JobmonPermissionException(server.Role, first.Right, first.Object, Privileges.Grants(lacking), refusal, functionsFailed)
            : new JobmonPermissionException(server.Role, $"a right ({refusal.MessageText})", server.Schema.Value,
                "the text of Admin.GrantScriptAsync() for this role", refusal, functionsFailed);
    }

    private static bool IsIn(Grant grant, JobmonMode mode) =>
        grant.Only is not { } only || (only == JobmonMode.Extension) == (mode == JobmonMode.Extension);

    private static Grant Log(JobmonAccess access, string privileges, params string[] tables) => new(access, false, privileges.Split(", "), tables);

    private static Grant Side(JobmonAccess access, string privileges, params string[] tables) => new(access, true, privileges.Split(", "), tables);

    private static Grant Functions(JobmonAccess access, bool side, params string[] functions) => new(access, side, ["EXECUTE"], functions)
    {
        Kind = FunctionKind,
        // The extension's own functions are open to everybody, and never altered here.
        Only = side ? null : JobmonMode.Own,
    };

    /// <summary>Privileges on some objects of one schema, which one kind of access needs.</summary>
    /// <param name="Access">Least access that gets them.</param>
    /// <param name="Side">Whether the objects are in the side schema.</param>
    /// <param name="Privileges">For example <c>INSERT</c>.</param>
    /// <param name="Objects">Names inside the schema; functions with the types of their arguments.</param>
    internal sealed record Grant(JobmonAccess Access, bool Side, string[] Privileges, string[] Objects)
    {
        /// <summary>What GRANT has to be told about the objects: nothing for tables, else <c>SEQUENCE </c> or <c>FUNCTION </c>.</summary>
        public string Kind { get; init; } = "";

        public Privileges In(PgIdentifier schema, PgIdentifier side) => new(Side ? side : schema, Kind, Privileges, Objects);

        /// <summary>The only mode that needs them; <see langword="null"/>: both do.</summary>
        public JobmonMode? Only { get; init; }

        /// <summary>Access from which on the package itself uses them; <see langword="null"/>: only people with psql and jobs in SQL do.</summary>
        public JobmonAccess? UsedFrom { get; init; } = Access;
    }
}

/// <summary>What a role may do with the job log.</summary>
public enum JobmonAccess
{
    /// <summary>Read history and run checks.</summary>
    Read,

    /// <summary>Log jobs, and read.</summary>
    Write,

    /// <summary>Change rules and texts, purge, acknowledge, reap; and log and read.</summary>
    Manage,
}
