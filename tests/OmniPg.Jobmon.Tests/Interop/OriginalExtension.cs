using System.Text;
using OmniPg.Testing;

namespace OmniPg.Jobmon.Tests.Interop;

/// <summary>
/// A database with the original extension. Its SQL files are not ours to ship: they come from the directory named by the environment
/// variable <c>OMNIPG_PG_JOBMON_SQL</c>, the original's folder <c>sql</c> with <c>tables</c> and <c>functions</c>. The extension is made without touching the server's
/// installation: its objects are created in a schema and recorded as members of an extension row.
/// </summary>
internal static class OriginalExtension
{
    public const string Variable = "OMNIPG_PG_JOBMON_SQL";

    public static string? Directory => Environment.GetEnvironmentVariable(Variable);

    public static async Task<TestDatabase> CreateAsync(PgCluster cluster, string schema = "jobmon", string? name = null)
    {
        var quoted = PgIdentifier.Create(schema).Quoted;
        var stop = TestContext.Current.CancellationToken;
        Assert.SkipUnless(Directory is not null && System.IO.Directory.Exists(Directory), $"{Variable} names no directory with the original's SQL files");
        string[] files = [Path.Combine(Directory!, "tables", "tables.sql"), .. System.IO.Directory.GetFiles(Path.Combine(Directory!, "functions"), "*.sql").Order(StringComparer.Ordinal)];
        var script = string.Concat(files.Select(f => File.ReadAllText(f, Encoding.UTF8) + "\n")).Replace("@extschema@", quoted, StringComparison.Ordinal);

        var database = await cluster.CreateDatabaseAsync(name, cancellationToken: stop);
        await database.ExecuteAsync($"CREATE EXTENSION dblink; CREATE SCHEMA {quoted}", stop);
        // Only inside CREATE EXTENSION may a script mark configuration tables; the marks mean nothing for these tests.
        var body = string.Join('\n', script.Split('\n').Where(line => !line.Contains("pg_extension_config_dump", StringComparison.Ordinal)));
        await database.ExecuteAsync($"SET search_path = {quoted}, public; {body}; RESET search_path;"
            + $"INSERT INTO pg_extension (oid, extname, extowner, extnamespace, extrelocatable, extversion) SELECT 99999, 'pg_jobmon', 10, oid, false, '1.5.0' FROM pg_namespace WHERE nspname = '{schema}';"
            + $"SET session_replication_role = replica;"
            // The original's trigger on this table does not quote the schema's name.
            + $"INSERT INTO {quoted}.dblink_mapping_jobmon (port, host) SELECT current_setting('port'), split_part(current_setting('unix_socket_directories'), ',', 1);"
            + "RESET session_replication_role", stop);
        return database;
    }
}
