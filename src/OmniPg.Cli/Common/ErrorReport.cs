using Microsoft.Extensions.Options;
using Npgsql;
using OmniPg.Jobmon;
using OmniPg.Partman;
using OmniPg.Shared;

namespace OmniPg.Cli;

/// <summary>Turns an exception into a line for people and an exit code for programs.</summary>
internal static class ErrorReport
{
    public static int Write(CliSession session, Exception error, CancellationToken cancellationToken)
    {
        // Ended by a signal: the reader knows why, and a stack would hide it.
        if (error is OperationCanceledException && cancellationToken.IsCancellationRequested)
        {
            session.Error.WriteLine("omnipg: interrupted");
            return ExitCodes.Failed;
        }
        session.Error.WriteLine("omnipg: " + OneLine(MessageOf(error)) + (IsLogin(error) && session.OnlyServer is { } server ? $" on '{server}'" : ""));
        if (HintOf(error) is { } hint)
            session.Error.WriteLine("hint: " + OneLine(hint));
        if (session.Verbose)
            session.Error.WriteLine(error.ToString());
        return error is UsageException or ArgumentException or FormatException or OptionsValidationException ? ExitCodes.WrongUse : ExitCodes.Failed;
    }

    /// <summary>The message without the hint that <see cref="OmniPgException"/> appends to it.</summary>
    public static string MessageOf(Exception error) => error switch
    {
        OmniPgException known => known.Sentence,
        PostgresException refusal => $"{refusal.MessageText} ({refusal.SqlState})",
        ArgumentException argument => ArgumentText.Of(argument),
        _ => error.Message,
    };

    /// <summary>What to do about it; null when there is nothing to say.</summary>
    /// <remarks>The library's own hint speaks of its methods; here the same is a command.</remarks>
    public static string? HintOf(Exception error) => error switch
    {
        JobmonNotInstalledException { Code: "jobmon.not-installed" } => "omnipg jobmon install",
        PartitionSetNotFoundException => "Create the set first, or check the name: 'omnipg partman sets' names all sets.",
        DefaultPartitionConflictException => "These rows belong into that partition: 'omnipg partman maintain --drain' moves them there.",
        _ => (error as OmniPgException)?.Hint
            ?? (IsLogin(error) ? "Check user, password and database of the connection: the command line, OMNIPG_CONNECTION, or PGUSER, PGPASSWORD and PGDATABASE." : null),
    };

    // The server was reached and lets nobody in: classes 28 (login) and 3D (database).
    private static bool IsLogin(Exception error) => error is PostgresException { SqlState: ['2', '8', ..] or ['3', 'D', ..] };

    /// <summary>The message in one line, without its hint.</summary>
    public static string OneLine(Exception error) => OneLine(MessageOf(error));

    private static string OneLine(string text) => text.ReplaceLineEndings(" ");
}
