using Microsoft.Extensions.Options;

namespace OmniPg.Wal.Cli;

/// <summary>One command of the program: a table of options and a call of the library.</summary>
internal abstract class Verb
{
    public abstract string Name { get; }

    /// <summary>One line for the list of verbs.</summary>
    public abstract string Summary { get; }

    /// <summary>The operands as the help shows them.</summary>
    public virtual string Operands => "";

    public abstract string Example { get; }

    public abstract IReadOnlyList<Option> Options { get; }

    /// <summary>The name that an OmniPITR log carries for this verb.</summary>
    public virtual string LogName => "omnipg-wal-" + Name;

    /// <summary>Whether the list of verbs leaves it out: started by the program itself.</summary>
    public virtual bool IsInternal => false;

    /// <summary>Its own options, and those of every verb but where its own has the name.</summary>
    public IReadOnlyList<Option> AllOptions => [.. Options, .. CommonOptions.All.Where(common => !Options.Any(own => own.Name == common.Name))];

    public abstract Task<int> RunAsync(Arguments arguments, ProgramContext context, CancellationToken cancellationToken);

    /// <summary>The exit code of a failure that was reported already.</summary>
    /// <param name="arguments">The parsed command line; null when it could not be parsed.</param>
    /// <param name="error">The failure.</param>
    public virtual int ExitCodeOf(Arguments? arguments, Exception error) => CodeOf(error) is var code and not ExitCodes.Usage ? code : UsageCode;

    /// <summary>The exit code of a wrong command line or configuration.</summary>
    protected virtual int UsageCode => ExitCodes.WrongUse;

    public string Help => HelpText.ForVerb(Name, Summary, Operands, Example, AllOptions);

    private static int CodeOf(Exception error) => error switch
    {
        UsageException or ArgumentException or OptionsValidationException => ExitCodes.Usage,
        TimeoutException => ExitCodes.TimedOut,
        WalDeliveryException delivery when delivery.Failures.All(f => f.Code == "wal.destination.timeout") => ExitCodes.TimedOut,
        OmniPgException known => ExitCodes.Of(known.Code),
        _ => ExitCodes.DestinationFailed,
    };
}
