using System.CommandLine;
using OmniPg.Jobmon;

namespace OmniPg.Cli;

/// <summary>The job log that a command line means.</summary>
internal static class JobLog
{
    public static readonly Option<string?> Schema = new("--schema")
    {
        Description = "Schema of the job log. Default: the extension's, else jobmon", HelpName = "S", Recursive = true,
    };

    /// <summary>A client for the server and schema of this command line.</summary>
    /// <param name="session">The command line.</param>
    /// <param name="policy">
    /// What happens when the log cannot be written. A command that exists for the log says so; only one that exists for other work goes on.
    /// </param>
    public static JobmonClient Open(CliSession session, ErrorPolicy policy = ErrorPolicy.Throw) =>
        JobmonClient.Create(session.DataSource, new JobmonOptions { Schema = session.Get(Schema), ErrorPolicy = policy });
}
