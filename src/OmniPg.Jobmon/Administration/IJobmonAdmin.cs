namespace OmniPg.Jobmon;

/// <summary>Installs, configures and cleans the job log. Thread-safe.</summary>
/// <exception cref="JobmonNotInstalledException">The database has no job log, or no side schema where the call needs it.</exception>
/// <exception cref="JobmonPermissionException">The role may not do that; the missing right is named, with the GRANT that gives it.</exception>
/// <exception cref="JobmonUnavailableException">The server cannot be reached, does not let the user in, has no resources, or is a standby that would have to write.</exception>
public interface IJobmonAdmin
{
    /// <summary>
    /// Installs the job log and the side schema, or only the side schema beside the extension <c>pg_jobmon</c>. Runs in one transaction,
    /// may be repeated, waits for another installation, and needs no superuser: CREATE on the database, or existing schemas that the role
    /// may create objects in.
    /// </summary>
    /// <param name="options">Where to install and for whom; null means all defaults.</param>
    /// <param name="cancellationToken">Cancels the installation; nothing is changed then.</param>
    /// <returns>What was found or made.</returns>
    /// <exception cref="JobmonConflictException">The schema holds the extension or foreign objects of the same names.</exception>
    /// <exception cref="JobmonUnsupportedVersionException">A log or side schema of a newer package version is there; an older one is upgraded.</exception>
    /// <exception cref="JobmonPermissionException">The role may not create a schema, or the schemas are another's.</exception>
    /// <exception cref="JobmonUnavailableException">The server cannot be reached, is a standby, or a lock was not given in time.</exception>
    Task<InstallResult> InstallAsync(InstallOptions? options = null, CancellationToken cancellationToken = default);

    /// <summary>
    /// What <see cref="InstallAsync"/> does in own mode, for an administrator to read and to run as <see cref="SqlPlan.ToSqlScript"/>. No I/O.
    /// <see cref="InstallOptions.Dblink"/> is left out: it may hold a password.
    /// </summary>
    /// <param name="options">Where to install and for whom; null means all defaults.</param>
    /// <returns>The steps of one transaction.</returns>
    SqlPlan InstallPlan(InstallOptions? options = null);

    /// <summary>
    /// The least rights a role needs on the log of this server and on the side schema, as SQL. Looks at the server first: the extension's
    /// triggers work with the rights of whoever logs, those of own mode do not. Before the installation: the rights of own mode.
    /// </summary>
    /// <param name="role">Name of the role, as it stands in the catalogue; it is quoted here.</param>
    /// <param name="access">What the role is to do.</param>
    /// <param name="cancellationToken">Cancels the look.</param>
    /// <returns>GRANT statements. Run them after the installation, as the owner of the schemas.</returns>
    /// <exception cref="ArgumentException"><paramref name="role"/> is no name of a role.</exception>
    /// <exception cref="JobmonUnavailableException">The server cannot be reached.</exception>
    Task<string> GrantScriptAsync(string role, JobmonAccess access, CancellationToken cancellationToken = default);

    /// <summary>
    /// As <see cref="GrantScriptAsync"/>, without I/O, to go with <see cref="InstallPlan"/>: for the log that this client has seen already, else
    /// for own mode.
    /// </summary>
    /// <param name="role">Name of the role, as it stands in the catalogue; it is quoted here.</param>
    /// <param name="access">What the role is to do.</param>
    /// <param name="options">Only <see cref="InstallOptions.Schema"/> matters; null means the schema in use.</param>
    /// <returns>GRANT statements. Run them after the installation, as the owner of the schemas.</returns>
    /// <exception cref="ArgumentException"><paramref name="role"/> is no name of a role.</exception>
    string GrantScript(string role, JobmonAccess access, InstallOptions? options = null);

    /// <summary>
    /// Asks a running job to stop (<c>cancel_job</c>). A run of the SDK is flagged and its process told; a backend is signalled only when
    /// pid and start of the backend are those of the run. Finished runs are never rewritten.
    /// </summary>
    /// <param name="jobId">Id of the run.</param>
    /// <param name="reason">Why, for the record; null for none.</param>
    /// <param name="cancellationToken">Cancels the request itself.</param>
    /// <returns>What became of the request; a run that ended before or is unknown is no exception.</returns>
    /// <inheritdoc cref="IJobmonAdmin" path="/exception"/>
    Task<CancelResult> CancelAsync(long jobId, string? reason = null, CancellationToken cancellationToken = default);

    /// <summary>
    /// Deletes old runs with their steps and side rows in batches (<c>job_log_clear</c>). What stays in any case: runs at work, the check log, and for
    /// every job with an active rule the newest run and the newest that has ended. One purge of a log at a time: the second says so in its result and
    /// leaves the work to the first.
    /// </summary>
    /// <param name="options">What to delete.</param>
    /// <param name="progress">Gets the number of runs deleted so far after every batch.</param>
    /// <param name="cancellationToken">Stops after the current batch; what was deleted stays deleted.</param>
    /// <returns>How many runs were deleted.</returns>
    /// <exception cref="Microsoft.Extensions.Options.OptionsValidationException">The options say of no run that it goes, or hold a negative age.</exception>
    /// <inheritdoc cref="IJobmonAdmin" path="/exception"/>
    Task<PurgeResult> PurgeAsync(PurgeOptions options, IProgress<long>? progress = null, CancellationToken cancellationToken = default);

    /// <summary>
    /// Closes unfinished runs of the SDK whose process is gone, as critical with <c>DIED: …</c>. Any starting job does so at most once a
    /// minute, and every check.
    /// </summary>
    /// <param name="cancellationToken">Cancels the statement.</param>
    /// <returns>How many runs this call closed.</returns>
    /// <inheritdoc cref="IJobmonAdmin" path="/exception"/>
    Task<int> ReapAsync(CancellationToken cancellationToken = default);

    /// <summary>As <see cref="ReapAsync"/>, and also closes runs of SQL callers whose backend is gone.</summary>
    /// <param name="cancellationToken">Cancels the statement.</param>
    /// <returns>How many runs this call closed.</returns>
    /// <inheritdoc cref="IJobmonAdmin" path="/exception"/>
    Task<int> ReapForeignAsync(CancellationToken cancellationToken = default);

    /// <summary>Clears the failures of a job from <c>job_check_log</c> and, with the side schema, records who did it and why.</summary>
    /// <param name="jobName">Exact name in any case.</param>
    /// <param name="by">Who takes note; not empty.</param>
    /// <param name="why">Why; null for none.</param>
    /// <param name="cancellationToken">Cancels the statement.</param>
    /// <returns>How many failures were cleared.</returns>
    /// <exception cref="ArgumentException">A name is empty.</exception>
    /// <inheritdoc cref="IJobmonAdmin" path="/exception"/>
    Task<int> AcknowledgeAsync(string jobName, string by, string? why = null, CancellationToken cancellationToken = default);

    /// <summary>The same for the failure of one run; other failures of its job stay.</summary>
    /// <param name="jobId">Id of the run.</param>
    /// <param name="by">Who takes note; not empty.</param>
    /// <param name="why">Why; null for none.</param>
    /// <param name="cancellationToken">Cancels the statement.</param>
    /// <returns>1, or 0 when that run is no failure that still counts.</returns>
    /// <exception cref="ArgumentException"><paramref name="by"/> is empty.</exception>
    /// <inheritdoc cref="IJobmonAdmin" path="/exception"/>
    Task<int> AcknowledgeAsync(long jobId, string by, string? why = null, CancellationToken cancellationToken = default);

    /// <summary>Shows a job's alerts as muted until an instant: they do not count. Needs the side schema. See <see cref="MuteForAsync"/>.</summary>
    /// <param name="jobName">Exact name in any case.</param>
    /// <param name="until">End of the muting; <see langword="null"/> ends it now.</param>
    /// <param name="by">Who mutes; not empty.</param>
    /// <param name="why">Why; null for none.</param>
    /// <param name="cancellationToken">Cancels the statement.</param>
    /// <exception cref="ArgumentException">A name is empty.</exception>
    /// <inheritdoc cref="IJobmonAdmin" path="/exception"/>
    Task MuteAsync(string jobName, DateTimeOffset? until, string by, string? why = null, CancellationToken cancellationToken = default);

    /// <summary>Mutes a job's alerts for some time from now on, by the server's clock. Needs the side schema.</summary>
    /// <param name="jobName">Exact name in any case.</param>
    /// <param name="interval">How long; positive.</param>
    /// <param name="by">Who mutes; not empty.</param>
    /// <param name="why">Why; null for none.</param>
    /// <param name="cancellationToken">Cancels the statement.</param>
    /// <returns>End of the muting.</returns>
    /// <exception cref="ArgumentException">A name is empty, or the interval is not positive.</exception>
    /// <inheritdoc cref="IJobmonAdmin" path="/exception"/>
    Task<DateTimeOffset> MuteForAsync(string jobName, PgInterval interval, string by, string? why = null, CancellationToken cancellationToken = default);

    /// <summary>Begins a monitoring rule for one job (<c>job_check_config</c>); nothing is written before it is activated.</summary>
    /// <param name="jobName">Exact name in any case.</param>
    /// <exception cref="ArgumentException">The name is empty.</exception>
    CheckBuilder Rule(string jobName);

    /// <summary>The rules of all jobs, with what is muted, in the order of their names. <see cref="IJobMonitor.LintAsync"/> says which cannot work.</summary>
    /// <param name="cancellationToken">Cancels the question.</param>
    /// <inheritdoc cref="IJobmonAdmin" path="/exception"/>
    Task<IReadOnlyList<JobRule>> ListRulesAsync(CancellationToken cancellationToken = default);

    /// <summary>Texts of the alert codes (<c>job_status_text</c>), ascending by code.</summary>
    /// <param name="cancellationToken">Cancels the question.</param>
    /// <inheritdoc cref="IJobmonAdmin" path="/exception"/>
    Task<IReadOnlyDictionary<int, string>> StatusTextsAsync(CancellationToken cancellationToken = default);

    /// <summary>Sets the text of an alert code, or adds the code. Code 1 stays "success" whatever its text.</summary>
    /// <param name="level">The code, from 1.</param>
    /// <param name="text">Its text from now on; rows of the past keep theirs.</param>
    /// <param name="cancellationToken">Cancels the statement.</param>
    /// <exception cref="ArgumentException">The text is empty, or stands for another code already.</exception>
    /// <exception cref="ArgumentOutOfRangeException">The code is below 1.</exception>
    /// <inheritdoc cref="IJobmonAdmin" path="/exception"/>
    Task SetStatusTextAsync(AlertLevel level, string text, CancellationToken cancellationToken = default);

    /// <summary>Writes runs with their steps as JSON lines (UTF-8), one object for each run, newest first.</summary>
    /// <param name="jsonLines">Where to write; it is not closed.</param>
    /// <param name="query">Which runs; its <see cref="JobQuery.Limit"/> of 10 holds here, too.</param>
    /// <param name="cancellationToken">Cancels the export; what was written stays.</param>
    /// <inheritdoc cref="IJobmonAdmin" path="/exception"/>
    /// <exception cref="IOException">The stream could not be written.</exception>
    Task ExportAsync(Stream jsonLines, JobQuery query, CancellationToken cancellationToken = default);

    /// <summary>
    /// Copies log, configuration, texts and sequences of the extension into the SDK's own schema and points the side schema there. Installs
    /// the own schema when it is missing. The extension stays; drop it afterwards.
    /// </summary>
    /// <param name="schema">
    /// The own schema; it cannot be the extension's. Default: <see cref="JobmonOptions.Schema"/>, else <c>jobmon</c>.
    /// </param>
    /// <param name="cancellationToken">Cancels the copy; nothing is changed then.</param>
    /// <exception cref="JobmonConflictException">The own schema already holds runs, or is the extension's.</exception>
    /// <exception cref="JobmonNotInstalledException">The database has no extension <c>pg_jobmon</c>.</exception>
    /// <exception cref="JobmonPermissionException">The role may not create the schema, or not read the extension's tables.</exception>
    /// <exception cref="JobmonUnavailableException">The server cannot be reached, is a standby, or a lock was not given in time.</exception>
    Task MigrateFromExtensionAsync(string? schema = null, CancellationToken cancellationToken = default);
}

/// <summary>What became of a request to cancel a run.</summary>
public enum CancelResult
{
    /// <summary>The process of the run was told; it ends the run itself.</summary>
    Requested,

    /// <summary>The backend at work was signalled.</summary>
    BackendSignalled,

    /// <summary>The run has ended before; nothing was changed.</summary>
    AlreadyFinished,

    /// <summary>No run has that id.</summary>
    NotFound,

    /// <summary>The role may not signal the backend of the run; nothing was changed.</summary>
    NotPermitted,

    /// <summary>Nobody is at work on the run any more: it was marked as cancelled.</summary>
    MarkedCancelled,
}
