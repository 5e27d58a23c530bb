using Npgsql;
using OmniPg.Shared;

namespace OmniPg.Jobmon;

/// <inheritdoc cref="IJobmonAdmin"/>
internal sealed partial class JobmonAdmin(JobmonDatabase database, TimeSpan deadAfter) : IJobmonAdmin
{
    public Task<InstallResult> InstallAsync(InstallOptions? options = null, CancellationToken cancellationToken = default) =>
        new JobmonInstaller(database).InstallAsync(options ?? new InstallOptions(), cancellationToken);

    public string Script(InstallOptions? options = null)
    {
        var schema = SchemaOf(options);
        var visibility = options?.ReaderRole is { } reader
            ? JobmonSchemaScript.Visibility(schema, database.SideSchema, PgIdentifier.Create(reader)) : "";
        return "BEGIN;\n" + JobmonSchemaScript.Begin + JobmonSchemaScript.Own(schema, database.SideSchema) + visibility
            + JobmonSchemaScript.Side(schema, database.SideSchema) + "COMMIT;\n";
    }

    public Task<string> GrantScriptAsync(string role, JobmonAccess access, CancellationToken cancellationToken = default)
    {
        var name = PgIdentifier.Create(role);
        return database.RunAsync("read rights", (_, server, _) =>
            Task.FromResult(Jobmon.GrantScript.For(name, access, server.Mode, server.Schema, server.SideSchema)), cancellationToken);
    }

    public string GrantScript(string role, JobmonAccess access, InstallOptions? options = null)
    {
        var schema = SchemaOf(options);
        // Another schema than the extension's can only hold a log of own mode.
        var mode = database.Known is { } known && known.Schema == schema ? known.Mode : JobmonMode.Own;
        return Jobmon.GrantScript.For(PgIdentifier.Create(role), access, mode, schema, database.SideSchema);
    }

    public Task<CancelResult> CancelAsync(long jobId, string? reason = null, CancellationToken cancellationToken = default) =>
        database.RunAsync("write: cancel", (connection, server, ct) =>
            JobCanceller.CancelAsync(connection, server.RequireInstalled(), jobId, reason, ct), cancellationToken);

    public Task<PurgeResult> PurgeAsync(PurgeOptions options, IProgress<long>? progress = null, CancellationToken cancellationToken = default)
    {
        OptionsCheck.Require(options);
        return database.RunEachAsync("manage: purge", (connection, server, ct) =>
            new JobPurge(connection, server.RequireInstalled(), options, deadAfter).RunAsync(progress, ct), cancellationToken);
    }

    public Task<int> ReapAsync(CancellationToken cancellationToken = default) =>
        Reaper.ReapAsync(database, deadAfter, foreign: false, cancellationToken);

    public Task<int> ReapForeignAsync(CancellationToken cancellationToken = default) =>
        Reaper.ReapAsync(database, deadAfter, foreign: true, cancellationToken);

    public Task ExportAsync(Stream jsonLines, JobQuery query, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(jsonLines);
        ArgumentNullException.ThrowIfNull(query);
        return JobExport.WriteAsync(database, jsonLines, query, cancellationToken);
    }

    public Task MigrateFromExtensionAsync(string? schema = null, CancellationToken cancellationToken = default)
    {
        var target = schema is null ? database.ConfiguredSchema ?? JobmonServerDetector.DefaultSchema : PgIdentifier.Create(schema);
        return ExtensionMigration.RunAsync(database, target, cancellationToken);
    }

    private PgIdentifier SchemaOf(InstallOptions? options) =>
        options?.Schema is { } name ? PgIdentifier.Create(name) : database.Known?.Schema ?? database.ConfiguredSchema ?? JobmonServerDetector.DefaultSchema;

    private Task<T> RunAsync<T>(string operation, Func<NpgsqlConnection, JobmonServer, CancellationToken, Task<T>> work, CancellationToken cancellationToken) =>
        database.RunAsync(operation, (connection, server, ct) => work(connection, server.RequireInstalled(), ct), cancellationToken);
}
