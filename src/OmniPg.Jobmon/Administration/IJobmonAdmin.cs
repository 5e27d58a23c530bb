namespace OmniPg.Jobmon;

/// <summary>Installs, configures and cleans the job log. Thread-safe.</summary>
/// <remarks>
/// Methods throw <see cref="JobmonPermissionException"/> naming the missing right, <see cref="JobmonNotInstalledException"/> and
/// <see cref="JobmonUnavailableException"/>.
/// </remarks>
public interface IJobmonAdmin
{
    /// <summary>
    /// Installs the job log and the side schema, or only the side schema beside the extension <c>pg_jobmon</c>. Runs in one transaction,
    /// may be repeated, waits for another installation, and needs no superuser: CREATE on the database, or existing schemas that the role
    /// may create objects in.
    /// </summary>
    /// <exception cref="JobmonConflictException">The schema holds the extension or foreign objects of the same names.</exception>
    Task<InstallResult> InstallAsync(InstallOptions? options = null, CancellationToken cancellationToken = default);

    /// <summary>The SQL that <see cref="InstallAsync"/> would run in own mode, for an administrator to read and run.</summary>
    string Script(InstallOptions? options = null);

    /// <summary>The least rights a role needs, as SQL. Run it as the owner of the schemas.</summary>
    string GrantScript(string role, JobmonAccess access, InstallOptions? options = null);

    /// <summary>
    /// Asks a running job to stop (<c>cancel_job</c>). A run of the SDK is flagged and its process told; a backend is signalled only when
    /// pid and start of the backend are those of the run. Finished runs are never rewritten.
    /// </summary>
    Task<CancelResult> CancelAsync(long jobId, string? reason = null, CancellationToken cancellationToken = default);

    /// <summary>
    /// Deletes old runs with their steps and side rows in batches (<c>job_log_clear</c>). Live runs and the check log stay. One purge of
    /// a log at a time: the second says so in its result and leaves the work to the first.
    /// </summary>
    /// <param name="options">What to delete.</param>
    /// <param name="progress">Gets the number of runs deleted so far after every batch.</param>
    /// <param name="cancellationToken">Stops after the current batch; what was deleted stays deleted.</param>
    Task<PurgeResult> PurgeAsync(PurgeOptions options, IProgress<long>? progress = null, CancellationToken cancellationToken = default);

    /// <summary>Closes unfinished runs whose process is gone, as failed.</summary>
    /// <returns>How many runs this call closed.</returns>
    Task<int> ReapAsync(CancellationToken cancellationToken = default);

    /// <summary>As <see cref="ReapAsync"/>, and also closes runs of SQL callers whose backend is gone.</summary>
    Task<int> ReapForeignAsync(CancellationToken cancellationToken = default);

    /// <summary>Clears the failures of a job from the check log and records who did it and why.</summary>
    /// <returns>How many failures were cleared.</returns>
    Task<int> AcknowledgeAsync(string jobName, string by, string? why = null, CancellationToken cancellationToken = default);

    /// <summary>Shows a job's alerts as muted until an instant; <see langword="null"/> ends the muting.</summary>
    Task MuteAsync(string jobName, DateTimeOffset? until, string by, string? why = null, CancellationToken cancellationToken = default);

    /// <summary>Begins a monitoring rule for one job (<c>job_check_config</c>).</summary>
    CheckBuilder Check(string jobName);

    /// <summary>Texts of the alert codes (<c>job_status_text</c>).</summary>
    Task<IReadOnlyDictionary<int, string>> StatusTextsAsync(CancellationToken cancellationToken = default);

    /// <summary>Sets the text of an alert code, or adds the code. Code 1 stays "success" whatever its text.</summary>
    Task SetStatusTextAsync(AlertLevel level, string text, CancellationToken cancellationToken = default);

    /// <summary>Writes runs with their steps as JSON lines, one object for each run, newest first.</summary>
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
    Task MigrateFromExtensionAsync(string? schema = null, CancellationToken cancellationToken = default);
}
