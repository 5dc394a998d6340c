//! The numbers of events and their names, as in Linux's `input-event-codes.h`.
//!
//! The names are those that a keyboard, a mouse and a tablet can be expected to use, and no more: other
//! numbers are shown as such.

use core::fmt;

/// Defines a constant for each number, and the table from the numbers to their names.
macro_rules! numbers {
    ($(#[$about:meta])* $table:ident: $($name:ident = $number:literal,)*) => {
        $(
            #[allow(missing_docs, reason = "its name and Linux's documentation say it")]
            pub const $name: u16 = $number;
        )*
        $(#[$about])*
        const $table: &[(u16, &str)] = &[$(($number, stringify!($name))),*];
    };
}

numbers! {
    /// Types of events.
    KINDS:
    EV_SYN = 0, EV_KEY = 1, EV_REL = 2, EV_ABS = 3, EV_MSC = 4, EV_SW = 5, EV_LED = 0x11,
    EV_SND = 0x12, EV_REP = 0x14, EV_FF = 0x15, EV_PWR = 0x16, EV_FF_STATUS = 0x17,
}

numbers! {
    /// Marks in the stream of events.
    SYN:
    SYN_REPORT = 0, SYN_CONFIG = 1, SYN_MT_REPORT = 2, SYN_DROPPED = 3,
}

numbers! {
    /// Keys of a PC's keyboard, and buttons of mice and tablets.
    KEY:
    KEY_ESC = 1, KEY_1 = 2, KEY_2 = 3, KEY_3 = 4, KEY_4 = 5, KEY_5 = 6, KEY_6 = 7, KEY_7 = 8,
    KEY_8 = 9, KEY_9 = 10, KEY_0 = 11, KEY_MINUS = 12, KEY_EQUAL = 13, KEY_BACKSPACE = 14,
    KEY_TAB = 15, KEY_Q = 16, KEY_W = 17, KEY_E = 18, KEY_R = 19, KEY_T = 20, KEY_Y = 21,
    KEY_U = 22, KEY_I = 23, KEY_O = 24, KEY_P = 25, KEY_LEFTBRACE = 26, KEY_RIGHTBRACE = 27,
    KEY_ENTER = 28, KEY_LEFTCTRL = 29, KEY_A = 30, KEY_S = 31, KEY_D = 32, KEY_F = 33,
    KEY_G = 34, KEY_H = 35, KEY_J = 36, KEY_K = 37, KEY_L = 38, KEY_SEMICOLON = 39,
    KEY_APOSTROPHE = 40, KEY_GRAVE = 41, KEY_LEFTSHIFT = 42, KEY_BACKSLASH = 43, KEY_Z = 44,
    KEY_X = 45, KEY_C = 46, KEY_V = 47, KEY_B = 48, KEY_N = 49, KEY_M = 50, KEY_COMMA = 51,
    KEY_DOT = 52, KEY_SLASH = 53, KEY_RIGHTSHIFT = 54, KEY_KPASTERISK = 55, KEY_LEFTALT = 56,
    KEY_SPACE = 57, KEY_CAPSLOCK = 58, KEY_F1 = 59, KEY_F2 = 60, KEY_F3 = 61, KEY_F4 = 62,
    KEY_F5 = 63, KEY_F6 = 64, KEY_F7 = 65, KEY_F8 = 66, KEY_F9 = 67, KEY_F10 = 68,
    KEY_NUMLOCK = 69, KEY_SCROLLLOCK = 70, KEY_KP7 = 71, KEY_KP8 = 72, KEY_KP9 = 73,
    KEY_KPMINUS = 74, KEY_KP4 = 75, KEY_KP5 = 76, KEY_KP6 = 77, KEY_KPPLUS = 78, KEY_KP1 = 79,
    KEY_KP2 = 80, KEY_KP3 = 81, KEY_KP0 = 82, KEY_KPDOT = 83, KEY_ZENKAKUHANKAKU = 85,
    KEY_102ND = 86, KEY_F11 = 87, KEY_F12 = 88, KEY_RO = 89, KEY_KATAKANA = 90,
    KEY_HIRAGANA = 91, KEY_HENKAN = 92, KEY_KATAKANAHIRAGANA = 93, KEY_MUHENKAN = 94,
    KEY_KPJPCOMMA = 95, KEY_KPENTER = 96, KEY_RIGHTCTRL = 97, KEY_KPSLASH = 98, KEY_SYSRQ = 99,
    KEY_RIGHTALT = 100, KEY_LINEFEED = 101, KEY_HOME = 102, KEY_UP = 103, KEY_PAGEUP = 104,
    KEY_LEFT = 105, KEY_RIGHT = 106, KEY_END = 107, KEY_DOWN = 108, KEY_PAGEDOWN = 109,
    KEY_INSERT = 110, KEY_DELETE = 111, KEY_MACRO = 112, KEY_MUTE = 113, KEY_VOLUMEDOWN = 114,
    KEY_VOLUMEUP = 115, KEY_POWER = 116, KEY_KPEQUAL = 117, KEY_KPPLUSMINUS = 118,
    KEY_PAUSE = 119, KEY_SCALE = 120, KEY_KPCOMMA = 121, KEY_HANGEUL = 122, KEY_HANJA = 123,
    KEY_YEN = 124, KEY_LEFTMETA = 125, KEY_RIGHTMETA = 126, KEY_COMPOSE = 127, KEY_STOP = 128,
    KEY_AGAIN = 129, KEY_PROPS = 130, KEY_UNDO = 131, KEY_FRONT = 132, KEY_COPY = 133,
    KEY_OPEN = 134, KEY_PASTE = 135, KEY_FIND = 136, KEY_CUT = 137, KEY_HELP = 138,
    KEY_MENU = 139, KEY_CALC = 140, KEY_SETUP = 141, KEY_SLEEP = 142, KEY_WAKEUP = 143,
    KEY_MAIL = 155, KEY_BOOKMARKS = 156, KEY_COMPUTER = 157, KEY_BACK = 158, KEY_FORWARD = 159,
    KEY_NEXTSONG = 163, KEY_PLAYPAUSE = 164, KEY_PREVIOUSSONG = 165, KEY_STOPCD = 166,
    KEY_HOMEPAGE = 172, KEY_REFRESH = 173, KEY_F13 = 183, KEY_F14 = 184, KEY_F15 = 185,
    KEY_F16 = 186, KEY_F17 = 187, KEY_F18 = 188, KEY_F19 = 189, KEY_F20 = 190, KEY_F21 = 191,
    KEY_F22 = 192, KEY_F23 = 193, KEY_F24 = 194, KEY_SEARCH = 217, KEY_MEDIA = 226,
    BTN_LEFT = 0x110, BTN_RIGHT = 0x111, BTN_MIDDLE = 0x112, BTN_SIDE = 0x113,
    BTN_EXTRA = 0x114, BTN_FORWARD = 0x115, BTN_BACK = 0x116, BTN_TASK = 0x117,
    BTN_TOOL_PEN = 0x140, BTN_TOOL_RUBBER = 0x141, BTN_TOOL_FINGER = 0x145,
    BTN_TOOL_MOUSE = 0x146, BTN_TOUCH = 0x14a, BTN_STYLUS = 0x14b, BTN_STYLUS2 = 0x14c,
    BTN_GEAR_DOWN = 0x150, BTN_GEAR_UP = 0x151,
}

numbers! {
    /// Axes that tell by how much they have moved.
    REL:
    REL_X = 0, REL_Y = 1, REL_Z = 2, REL_RX = 3, REL_RY = 4, REL_RZ = 5, REL_HWHEEL = 6,
    REL_DIAL = 7, REL_WHEEL = 8, REL_MISC = 9, REL_WHEEL_HI_RES = 0xb, REL_HWHEEL_HI_RES = 0xc,
}

numbers! {
    /// Axes that tell their position.
    ABS:
    ABS_X = 0, ABS_Y = 1, ABS_Z = 2, ABS_RX = 3, ABS_RY = 4, ABS_RZ = 5, ABS_THROTTLE = 6,
    ABS_RUDDER = 7, ABS_WHEEL = 8, ABS_GAS = 9, ABS_BRAKE = 0xa, ABS_HAT0X = 0x10,
    ABS_HAT0Y = 0x11, ABS_HAT1X = 0x12, ABS_HAT1Y = 0x13, ABS_HAT2X = 0x14, ABS_HAT2Y = 0x15,
    ABS_HAT3X = 0x16, ABS_HAT3Y = 0x17, ABS_PRESSURE = 0x18, ABS_DISTANCE = 0x19,
    ABS_TILT_X = 0x1a, ABS_TILT_Y = 0x1b, ABS_TOOL_WIDTH = 0x1c, ABS_VOLUME = 0x20,
    ABS_PROFILE = 0x21, ABS_MISC = 0x28, ABS_MT_SLOT = 0x2f, ABS_MT_TOUCH_MAJOR = 0x30,
    ABS_MT_TOUCH_MINOR = 0x31, ABS_MT_WIDTH_MAJOR = 0x32, ABS_MT_WIDTH_MINOR = 0x33,
    ABS_MT_ORIENTATION = 0x34, ABS_MT_POSITION_X = 0x35, ABS_MT_POSITION_Y = 0x36,
    ABS_MT_TOOL_TYPE = 0x37, ABS_MT_BLOB_ID = 0x38, ABS_MT_TRACKING_ID = 0x39,
    ABS_MT_PRESSURE = 0x3a, ABS_MT_DISTANCE = 0x3b, ABS_MT_TOOL_X = 0x3c, ABS_MT_TOOL_Y = 0x3d,
}

numbers! {
    /// Events that fit nowhere else.
    MSC:
    MSC_SERIAL = 0, MSC_PULSELED = 1, MSC_GESTURE = 2, MSC_RAW = 3, MSC_SCAN = 4,
    MSC_TIMESTAMP = 5,
}

numbers! {
    /// Lights.
    LED:
    LED_NUML = 0, LED_CAPSL = 1, LED_SCROLLL = 2, LED_COMPOSE = 3, LED_KANA = 4,
}

numbers! {
    /// Sounds.
    SND:
    SND_CLICK = 0, SND_BELL = 1, SND_TONE = 2,
}

numbers! {
    /// Times of a key that repeats.
    REP:
    REP_DELAY = 0, REP_PERIOD = 1,
}

/// The name of a type of events, or its number.
pub fn kind_name(kind: u16) -> impl fmt::Display {
    named(KINDS, kind)
}

/// The name of a code among those of its type, or its number.
pub fn name(kind: u16, code: u16) -> impl fmt::Display {
    let table = match kind {
        EV_SYN => SYN,
        EV_KEY => KEY,
        EV_REL => REL,
        EV_ABS => ABS,
        EV_MSC => MSC,
        EV_LED => LED,
        EV_SND => SND,
        EV_REP => REP,
        _ => &[],
    };
    named(table, code)
}

fn named(table: &'static [(u16, &'static str)], number: u16) -> impl fmt::Display {
    let found = table.iter().find(|(known, _)| *known == number);
    fmt::from_fn(move |f| match found {
        Some((_, name)) => f.write_str(name),
        None => write!(f, "{number}"),
    })
}
