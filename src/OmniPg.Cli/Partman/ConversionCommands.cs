using System.CommandLine;
using System.Globalization;
using System.Text.Json;
using OmniPg.Partman;

namespace OmniPg.Cli;

/// <summary>The commands on conversions that have begun.</summary>
internal static class ConversionCommands
{
    private static readonly Argument<long> Id = new("ID") { Description = "Number of the conversion, as 'operations' shows it" };

    public static IEnumerable<Command> Create(CliHost host) =>
    [
        CliCommand.Create(host, "operations", "Conversions, and how far they are", "omnipg partman operations", ListAsync),
        CliCommand.Create(host, "resume", "Goes on with a conversion that was interrupted", "omnipg partman resume 7",
            (session, stop) => OnAsync(session, p => p.ResumeConversionAsync(session.Get(Id), Progress(session), stop)), Id),
        CliCommand.Create(host, "abort", "Gives up a conversion before its swap; the table is as before", "omnipg partman abort 7",
            (session, stop) => OnAsync(session, p => p.AbortConversionAsync(session.Get(Id), stop)), Id),
        CliCommand.Create(host, "swap-back", "Gives the former table its name back, with all that was written since", "omnipg partman swap-back 7",
            (session, stop) => OnAsync(session, p => p.SwapBackAsync(session.Get(Id), Progress(session), stop)), Id),
        CliCommand.Create(host, "finish", "Drops the table that a conversion keeps beside the set", "omnipg partman finish 7",
            (session, stop) => OnAsync(session, p => p.FinishConversionAsync(session.Get(Id), stop)), Id),
    ];

    /// <summary>How far a conversion is, in one line of the terminal; null where nobody looks.</summary>
    public static IProgress<ConversionProgress>? Progress(CliSession session) => session.Host.IsTerminal && !session.Json ? new Line(session) : null;

    public static void Write(CliSession session, Conversion conversion) => session.WriteResult(
        $"Conversion {conversion.Id} of '{conversion.Table}' is {PhaseOf(conversion)}{(conversion.Phase == ConversionPhase.Swapped ? $"; 'omnipg partman finish {conversion.Id}' drops the former table" : "")}",
        json => Fields(json, conversion));

    private static async Task<int> OnAsync(CliSession session, Func<PartmanClient, Task<Conversion>> act)
    {
        Write(session, await act(PartmanCommands.Open(session)));
        return ExitCodes.Done;
    }

    private static async Task<int> ListAsync(CliSession session, CancellationToken cancellationToken)
    {
        var conversions = await PartmanCommands.Open(session).ListConversionsAsync(cancellationToken);
        if (session.Json)
        {
            session.WriteJson(json =>
            {
                json.WriteStartArray();
                foreach (var conversion in conversions)
                {
                    json.WriteStartObject();
                    Fields(json, conversion);
                    json.WriteEndObject();
                }
                json.WriteEndArray();
            });
            return ExitCodes.Done;
        }
        session.WriteTable(
            [new CliColumn("Id", Right: true), "Table", "Phase", new CliColumn("Rows", Right: true), new CliColumn("Last at work", NoWrap: true)],
            conversions.Select(c => (string?[])
            [
                c.Id.ToString(CultureInfo.InvariantCulture), c.Table.ToString(), PhaseOf(c), c.RowsCopied.ToString(CultureInfo.InvariantCulture),
                c.UpdatedAt.UtcDateTime.ToString("yyyy-MM-dd HH:mm:ss", CultureInfo.InvariantCulture),
            ]));
        return ExitCodes.Done;
    }

    private static void Fields(Utf8JsonWriter json, Conversion conversion)
    {
        json.WriteNumber("id", conversion.Id);
        json.WriteString("table", conversion.Table.ToString());
        json.WriteString("phase", PhaseOf(conversion));
        json.WriteNumber("rows", conversion.RowsCopied);
        json.WriteString("startedAt", conversion.StartedAt.UtcDateTime.ToString("O", CultureInfo.InvariantCulture));
        json.WriteString("updatedAt", conversion.UpdatedAt.UtcDateTime.ToString("O", CultureInfo.InvariantCulture));
    }

    private static string PhaseOf(Conversion conversion) => conversion.Phase switch
    {
        ConversionPhase.SwappedBack => "swapped-back",
        var phase => phase.ToString().ToLowerInvariant(),
    };

    private sealed class Line(CliSession session) : IProgress<ConversionProgress>
    {
        private ConversionStep? _step;

        public void Report(ConversionProgress value)
        {
            if (_step is { } before && before != value.Step)
                session.Error.WriteLine();
            _step = value.Step;
            var of = value.OfRows > 0 ? $" of about {value.OfRows.ToString("N0", CultureInfo.InvariantCulture)}" : "";
            session.Error.Write($"\r{value.Step}: {value.Rows.ToString("N0", CultureInfo.InvariantCulture)}{of}   ");
            if (value.Step == ConversionStep.Swap)
                session.Error.WriteLine();
        }
    }
}
