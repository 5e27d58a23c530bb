using System.Text.RegularExpressions;

namespace OmniPg.Guard.Tests;

/// <summary>Nothing stays behind in a session that is not ours: behind a transaction pooler its next user is another application.</summary>
/// <remarks>
/// A new statement that changes a session belongs into the place that knows whose session it is (<c>SessionSettings</c> of src/Shared),
/// or has to say LOCAL: <c>set_config(…, true)</c>, <c>SET LOCAL</c>, <c>pg_advisory_xact_lock</c>. An entry below needs a reason.
/// </remarks>
public sealed partial class SessionStateTests
{
    private static readonly Dictionary<string, string> Allowed = new()
    {
        ["set for session: Shared/Database/SessionSettings.cs"] = "sets only what the same statement proves to be the own backend",
        ["set for session: OmniPg.Jobmon/Schema/Scripts/own-autonomy.sql"] = "a parameter of the package's own name, for callers in SQL, that nobody else reads",
        ["set for session: OmniPg.Extractor/Sql/EntrySqlWriter.cs"] = "text of a script; whoever runs it has a session of its own, as with pg_restore",
        ["set for session: OmniPg.Extractor/Sql/ScriptPrologue.cs"] = "as above",
        ["set for session: OmniPg.Extractor/Extraction/SchemaTree.cs"] = "as above",
        ["set for session: OmniPg.Extractor/Extraction/TreePublication.cs"] = "reads that text",
        ["set for session: OmniPg.Extractor/Replaying/ReplayRun.cs"] = "the one session of a replay, which needs a direct connection, as a restore does",
        ["set for session: OmniPg.Extractor/Replaying/SessionText.cs"] = "statements for that session",
        ["set for session: OmniPg.Partman/Running/UnitRunner.cs"] = "for DETACH CONCURRENTLY, outside of any transaction: given back, and no pooler is there",
        ["advisory lock: OmniPg.Jobmon/Control/ControlSql.cs"] = "taken by the control session only where Establish has proven the backend",
        ["advisory lock: OmniPg.Jobmon/Schema/Scripts/own-run.sql"] = "sql_job() of the original: taken and given back within one call",
        ["advisory lock: Shared/Database/AdvisoryLock.cs"] = "taken only where the backend is the one that the driver was told of, and given back with the lock",
        ["advisory lock: OmniPg.Wal/Backup/BackupSession.cs"] = "only where the backend is the one that the driver was told of, and given back with the session",
        ["listen: OmniPg.Jobmon/Control/ControlSql.cs"] = "as the advisory lock there",
        ["listen: OmniPg.Jobmon/Monitoring/JobWatcher.cs"] = "only on a proven backend, and ended before the connection goes back",
        ["signal: OmniPg.Jobmon/Control/ControlSql.cs"] = "the former backend of the control session, which still holds its lock",
        ["signal: OmniPg.Jobmon/Administration/JobCanceller.cs"] = "pid and start are those that were recorded, never behind a pooler",
        ["signal: OmniPg.Jobmon/Schema/Scripts/side-functions.sql"] = "as above",
        ["signal: OmniPg.Jobmon/Schema/Scripts/own-manage.sql"] = "cancel_job() of the original, guarded by the start of the backend",
        ["signal: Shared/Database/AdvisoryLock.cs"] = "ends its own backend, where the server will not take the lock back",
        ["signal: OmniPg.Mimeo/Methods/TableRun.cs"] = "the backend of its own open transaction, asked of the server inside of it",
        ["prepared by name: OmniPg.Jobmon/Server/OwnConnections.cs"] = "off as soon as a pooler is seen",
    };

    [Fact]
    public void Only_the_places_that_know_whose_session_it_is_change_it_for_longer_than_a_transaction()
    {
        (string Kind, Regex Pattern)[] rules =
        [
            ("set for session", SetConfig()), ("set for session", SetStatement()), ("advisory lock", AdvisoryLock()), ("listen", Listen()),
            ("signal", Signal()), ("prepared by name", Prepared()),
        ];
        var source = Path.Combine(Repository.Root, "src");
        var files = Directory.EnumerateFiles(source, "*.*", SearchOption.AllDirectories)
            .Where(file => Path.GetExtension(file) is ".cs" or ".sql" && !file.Contains($"{Path.DirectorySeparatorChar}obj{Path.DirectorySeparatorChar}", StringComparison.Ordinal));

        var found = (from file in files
                     let text = string.Join('\n', File.ReadLines(file).Where(line => !Comment().IsMatch(line)))
                     from rule in rules
                     where rule.Pattern.IsMatch(text)
                     select $"{rule.Kind}: {Path.GetRelativePath(source, file).Replace('\\', '/')}").ToHashSet();

        // Both ways: an entry that allows nothing any more hides the next mistake.
        found.Should().BeEquivalentTo(Allowed.Keys);
    }

    [GeneratedRegex(@"^\s*(?://|--)")]
    private static partial Regex Comment();

    [GeneratedRegex(@"set_config\s*\([^;()]*?,\s*false\s*\)", RegexOptions.IgnoreCase)]
    private static partial Regex SetConfig();

    // At the begin of a statement; not the SET of an UPDATE or of a function.
    [GeneratedRegex("""(?:"|;)\s*(?:SET\s+(?!LOCAL\b|TRANSACTION\b|CONSTRAINTS\b)\S+\s*(?:=|TO\b)|RESET\s+\w+|DISCARD\s+\w+)""")]
    private static partial Regex SetStatement();

    [GeneratedRegex(@"\bpg_(?:try_)?advisory_lock(?:_shared)?\s*\(")]
    private static partial Regex AdvisoryLock();

    [GeneratedRegex("""(?:"|;)\s*LISTEN\s""")]
    private static partial Regex Listen();

    [GeneratedRegex(@"\bpg_(?:cancel|terminate)_backend\s*\(")]
    private static partial Regex Signal();

    [GeneratedRegex(@"\bMaxAutoPrepare\b|\.Prepare(?:Async)?\(")]
    private static partial Regex Prepared();
}
