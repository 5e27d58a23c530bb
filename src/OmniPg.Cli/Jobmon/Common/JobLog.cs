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

    /// <summary>A client for the server and schema of this command line; what it cannot write is an error of the command.</summary>
    public static JobmonClient Open(CliSession session) => JobmonClient.Create(session.DataSource, Options(session, ErrorPolicy.Throw));

    /// <summary>A client for a command that exists for other work: that goes on without the log, and standard error says what is missing there.</summary>
    public static JobmonClient OpenForOtherWork(CliSession session) =>
        JobmonClient.Create(session.DataSource, Options(session, ErrorPolicy.LogAndContinue), new JobLogMessages(session.Error));

    private static JobmonOptions Options(CliSession session, ErrorPolicy policy) =>
        new() { Schema = CliSession.NotEmpty(session.Get(Schema), Schema.Name), ErrorPolicy = policy };
}
