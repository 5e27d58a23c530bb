using Microsoft.Extensions.Options;

namespace OmniPg.Extractor;

/// <summary>Options that know what they may be. The rules stand beside the properties whose comments name the ranges.</summary>
internal interface ICheckedOptions
{
    /// <summary>Tells <paramref name="check"/> everything that is wrong, and never throws for it.</summary>
    void Check(OptionsCheck check);
}

/// <summary>The one check of options, in constructors, at calls and at host start: collects all failures and reports them together.</summary>
internal sealed class OptionsCheck
{
    private readonly List<string> _failures = [];

    /// <summary>Everything that is wrong with the options; empty when they can work.</summary>
    public static IReadOnlyList<string> FailuresOf(ICheckedOptions options)
    {
        var check = new OptionsCheck();
        options.Check(check);
        return check._failures;
    }

    /// <summary>Returns the options when they can work.</summary>
    /// <exception cref="OptionsValidationException">They cannot: all failures at once.</exception>
    public static TOptions Require<TOptions>(TOptions options)
        where TOptions : class, ICheckedOptions =>
        FailuresOf(options) is { Count: > 0 } failures ? throw new OptionsValidationException("", typeof(TOptions), failures) : options;

    /// <summary>A failure unless the condition holds.</summary>
    public void That(bool holds, string failure)
    {
        if (!holds)
            _failures.Add(failure);
    }

    /// <summary>A value between two that are allowed themselves; null is allowed.</summary>
    public void Range<T>(T? value, T least, T most, string name)
        where T : struct, IComparable<T> =>
        That(value is not { } v || (v.CompareTo(least) >= 0 && v.CompareTo(most) <= 0), $"{name} '{value}' must be between '{least}' and '{most}'.");

    /// <summary>A value that is not below one that is allowed itself; null is allowed.</summary>
    public void AtLeast<T>(T? value, T least, string name)
        where T : struct, IComparable<T> => That(value is not { } v || v.CompareTo(least) >= 0, $"{name} '{value}' must be at least '{least}'.");

    /// <summary>A text with something in it.</summary>
    public void NotEmpty(string? value, string name) => That(!string.IsNullOrWhiteSpace(value), $"{name} '{value}' must not be empty.");
}
