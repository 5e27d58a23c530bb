namespace OmniPg.Jobmon;

/// <summary>Severity of a job's outcome: the <c>alert_code</c> of table <c>job_status_text</c>.</summary>
/// <param name="Code">1 is success, 2 warning, 3 critical; larger codes are the installation's own.</param>
public readonly record struct AlertLevel(int Code) : IComparable<AlertLevel>
{
    /// <summary>Code 1: the run succeeded.</summary>
    public static readonly AlertLevel Ok = new(1);

    /// <summary>Code 2: the run ended, but somebody should look at it.</summary>
    public static readonly AlertLevel Warning = new(2);

    /// <summary>Code 3: the run failed.</summary>
    public static readonly AlertLevel Critical = new(3);

    /// <inheritdoc/>
    public int CompareTo(AlertLevel other) => Code.CompareTo(other.Code);

    /// <summary>Whether <paramref name="left"/> is less severe.</summary>
    public static bool operator <(AlertLevel left, AlertLevel right) => left.Code < right.Code;

    /// <summary>Whether <paramref name="left"/> is more severe.</summary>
    public static bool operator >(AlertLevel left, AlertLevel right) => left.Code > right.Code;

    /// <summary>Whether <paramref name="left"/> is at most as severe.</summary>
    public static bool operator <=(AlertLevel left, AlertLevel right) => left.Code <= right.Code;

    /// <summary>Whether <paramref name="left"/> is at least as severe.</summary>
    public static bool operator >=(AlertLevel left, AlertLevel right) => left.Code >= right.Code;

    /// <summary>The text of a fresh installation: <c>OK</c>, <c>WARNING</c>, <c>CRITICAL</c>, or the number.</summary>
    public override string ToString() => Code switch
    {
        1 => "OK",
        2 => "WARNING",
        3 => "CRITICAL",
        _ => Code.ToString(System.Globalization.CultureInfo.InvariantCulture),
    };
}
