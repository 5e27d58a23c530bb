using System.Globalization;
using OmniPg.Shared;

namespace OmniPg.Wal.Cli;

/// <summary>What a command line and its configuration files said, by the option table of a verb.</summary>
/// <remarks>No reflection, no patterns: the words are parsed before every segment.</remarks>
internal sealed class Arguments
{
    private readonly List<(Option Option, string? Value)> _given = [];
    private readonly List<string> _operands = [];

    /// <summary>The words that are not options, in order.</summary>
    public IReadOnlyList<string> Operands => _operands;

    /// <summary>The options as words again, for a second process; files are resolved, operands left out.</summary>
    public IEnumerable<string> Words => _given.Select(g => g.Value is null ? g.Option.Name : $"{g.Option.Name}={g.Value}");

    /// <summary>Parses words.</summary>
    /// <param name="words">The words after the verb.</param>
    /// <param name="options">The options that exist.</param>
    /// <param name="configFile">The option whose value names a configuration file to read in its place.</param>
    /// <exception cref="UsageException">An unknown option, a missing value, or a value for a flag.</exception>
    /// <exception cref="WalConfigurationException">A configuration file cannot be read.</exception>
    public static Arguments Parse(ReadOnlySpan<string> words, IReadOnlyList<Option> options, Option configFile)
    {
        var arguments = new Arguments();
        for (var i = 0; i < words.Length; i++)
        {
            var word = words[i];
            if (word == "--")
            {
                foreach (var rest in words[(i + 1)..])
                    arguments._operands.Add(rest);
                break;
            }

            if (word.Length < 2 || word[0] != '-')
            {
                arguments._operands.Add(word);
                continue;
            }

            var equals = word.IndexOf('=', StringComparison.Ordinal);
            var option = Find(equals < 0 ? word : word[..equals], options);
            var value = equals >= 0 ? word[(equals + 1)..] : null;
            if (value is null && TakesNext(option, words[(i + 1)..]))
                value = words[++i];
            Accept(arguments, option, value, options, configFile);
        }

        return arguments;
    }

    public bool Has(Option option) => _given.Exists(g => g.Option == option);

    /// <summary>The value given last, or null.</summary>
    public string? Get(Option option) => _given.FindLast(g => g.Option == option).Value;

    public string Require(Option option) => Get(option) ?? throw new UsageException($"The option {option.Name} is required.");

    /// <summary>All values in the order given, duplicates removed.</summary>
    public IReadOnlyList<string> All(Option option) => [.. _given.Where(g => g.Option == option).Select(g => g.Value!).Distinct(StringComparer.Ordinal)];

    public int? Integer(Option option, int minimum)
    {
        if (Get(option) is not { } text)
            return null;
        if (!int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var value) || value < minimum)
            throw new UsageException($"The option {option.Name} wants a whole number of at least {minimum}, not '{text}'.");
        return value;
    }

    public TimeSpan? Seconds(Option option)
    {
        if (Get(option) is not { } text)
            return null;
        if (!double.TryParse(text, NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out var value) || value > TimeSpan.MaxValue.TotalSeconds / 2)
            throw new UsageException($"The option {option.Name} wants seconds, not '{text}'.");
        return TimeSpan.FromSeconds(value);
    }

    /// <summary>A number of bytes, with one of the units of PostgreSQL's settings: <c>kB</c>, <c>MB</c>, <c>GB</c>, <c>TB</c>.</summary>
    public long? Bytes(Option option)
    {
        if (Get(option) is not { } text)
            return null;
        var unit = text.AsSpan().TrimStart("0123456789").Trim();
        var shift = unit switch { "" => 0, "kB" => 10, "MB" => 20, "GB" => 30, "TB" => 40, _ => -1 };
        if (shift < 0 || !long.TryParse(text.AsSpan(0, text.Length - unit.Length).Trim(), NumberStyles.None, CultureInfo.InvariantCulture, out var value)
            || value < 1 || value > long.MaxValue >> shift)
            throw new UsageException($"The option {option.Name} wants a size such as 128MB, not '{text}'.");
        return value << shift;
    }

    /// <summary>One of a list of words.</summary>
    public T Choice<T>(Option option, T absent, params ReadOnlySpan<(string Word, T Value)> choices)
    {
        if (Get(option) is not { } text)
            return absent;
        foreach (var (word, value) in choices)
        {
            if (word == text)
                return value;
        }

        var words = new List<string>();
        foreach (var (word, _) in choices)
            words.Add(word);
        throw new UsageException($"The option {option.Name} wants one of {string.Join(", ", words)}, not '{text}'.");
    }

    /// <summary>Exactly this many operands.</summary>
    public void RequireOperands(int count, string names)
    {
        if (_operands.Count != count)
            throw new UsageException($"Expected {names}, got {_operands.Count} argument(s){(_operands.Count == 0 ? "" : $": '{string.Join("' '", _operands)}'")}.");
    }

    private static bool TakesNext(Option option, ReadOnlySpan<string> rest) => option.Kind switch
    {
        OptionKind.Value => rest.Length > 0,
        // '--remove-unneeded %r %f %p' and '--remove-unneeded %f %p' differ only in the number of words that follow.
        OptionKind.OptionalValue => rest.Length > 0 && !rest[0].StartsWith('-') && CountOperands(rest) >= 3,
        _ => false,
    };

    private static int CountOperands(ReadOnlySpan<string> words)
    {
        var count = 0;
        foreach (var word in words)
            count += word.StartsWith('-') ? 0 : 1;
        return count;
    }

    private static void Accept(Arguments arguments, Option option, string? value, IReadOnlyList<Option> options, Option configFile)
    {
        if (option.Refusal is { } why)
            throw new UsageException($"The option {option.Name} must be removed: {why}.");
        if (option.Kind == OptionKind.Flag && value is not null)
            throw new UsageException($"The option {option.Name} takes no value, but '{value}' was given.");
        if (option.Kind == OptionKind.Value && value is null)
            throw new UsageException($"The option {option.Name} needs a value ({option.Placeholder}).");
        if (option != configFile)
        {
            arguments._given.Add((option, value));
            return;
        }

        foreach (var (name, text) in ConfigFile.Read(value!))
        {
            var inner = Find(name, options);
            // A file inside a file could name itself.
            if (inner == configFile)
                throw new UsageException($"The configuration file '{value}' names another configuration file.");
            Accept(arguments, inner, text, options, configFile);
        }
    }

    private static Option Find(string name, IReadOnlyList<Option> options)
    {
        foreach (var option in options)
        {
            if (option.IsNamed(name))
                return option;
        }

        throw new UsageException($"The option '{name}' is not known here.{EditDistance.Question(name, options.Where(o => o.Refusal is null).SelectMany(o => o.Aliases.Prepend(o.Name)))}");
    }
}
