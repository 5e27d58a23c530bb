using System.Collections.Concurrent;
using System.Text.RegularExpressions;

namespace OmniPg.Jobmon;

/// <summary>The tables and functions of the log that was found, as the statements name them; each statement is put together once.</summary>
/// <remarks>
/// The texts name the schemas as a default installation does, <c>jobmon</c> and <c>omnipg_jobmon</c> beside it, so that each can be pasted
/// into psql; the names of this database take their place here. A statement is a list of parts, of which those stay out that need the side
/// tables where there are none.
/// <para>
/// On the extension's log the live path calls the extension's own local functions. Its functions that end a job are not used: they
/// overwrite a run that has ended already, and here the first end wins. Times given by the client need the tables, too.
/// </para>
/// <para>
/// A role without rights on the tables writes through the public functions all the same: every event goes through dblink, with the rights
/// of the role in <c>dblink_mapping_jobmon</c>. What the functions cannot do is lost in this way of writing: the last end of a run wins, an
/// event whose outcome was unknown may appear twice, a late event carries the time of its write, and the process id of attached work is
/// not recorded.
/// </para>
/// </remarks>
internal sealed partial class LogTables(JobmonServer server)
{
    private readonly ConcurrentDictionary<(Type, bool), string> _statements = new();

    public JobmonServer Server => server;

    /// <summary>The side tables are there: dead jobs, progress values, nesting and exceptions can be recorded.</summary>
    public bool HasSide => server.HasSide;

    /// <summary>Every event has to go through the extension's public functions.</summary>
    public bool ByFunctions => server.ByFunctions;

    /// <summary>What happens now goes through the extension's local functions.</summary>
    public bool ByLocalFunctions => server is { ByFunctions: false, Mode: JobmonMode.Extension };

    /// <summary>The statement of one kind of event, by local functions or by the tables.</summary>
    public string Statement(Type kind, bool byLocalFunctions, Func<LogTables, bool, string?[]> parts) => _statements.GetOrAdd(
        (kind, byLocalFunctions), static (of, made) => made.log.Named(string.Join('\n', made.parts(made.log, of.Item2).OfType<string>())), (log: this, parts));

    /// <summary>The text with the names of this database. In one pass, so that nothing inside a name is taken for a name again.</summary>
    public string Named(string text)
    {
        var inLiteral = false;
        return Names().Replace(text, found =>
        {
            if (found.Value == "'")
                inLiteral = !inLiteral;
            var name = found.Value switch
            {
                "jobmon." => server.Schema.Quoted + ".",
                "omnipg_jobmon." => server.SideSchema.Quoted + ".",
                "dblink." => server.FunctionsThrough?.Quoted + ".",
                _ => null,
            };
            return name is null ? found.Value : inLiteral ? name.Replace("'", "''", StringComparison.Ordinal) : name;
        });
    }

    [GeneratedRegex(@"'|\b(jobmon|omnipg_jobmon|dblink)\.")]
    private static partial Regex Names();
}
